import { DOCUMENT, inject, Injectable, signal } from '@angular/core';
import * as t from 'io-ts';
import type { ClientOptions, UserCredentials } from 'rxetcd';

const Settings = t.type({
  /** The URL of etcd, or the path under which the server of this page passes requests on to it. */
  endpoint: t.string,
  /** Whether etcd wants a user and a password. */
  login: t.boolean,
  /** The rooms to show, each with a watch of its key. */
  rooms: t.array(t.string),
});

/** Holds the settings of this deployment, and the user. The password is in memory alone, and is gone with the page. */
@Injectable({ providedIn: 'root' })
export class Session {
  readonly settings = settingsIn(inject(DOCUMENT));
  readonly isOpen = signal(!this.settings.login);
  /** The user who signed in last. */
  credentials: UserCredentials | undefined;

  /**
   * Returns the options of the client, which requests the credentials before its first call and after they were
   * rejected.
   */
  clientOptions(): ClientOptions {
    const { endpoint, login } = this.settings;
    return { endpoints: endpoint, ...(login ? { auth: () => this.signedIn() } : {}) };
  }

  private signedIn(): UserCredentials {
    if (this.credentials === undefined) throw new Error('nobody has signed in');
    return this.credentials;
  }
}

function settingsIn(document: Document): t.TypeOf<typeof Settings> {
  const settings: unknown = JSON.parse(document.getElementById('settings')?.textContent ?? '');
  if (!Settings.is(settings)) throw new Error('index.html: the settings are incomplete');
  return settings;
}
