import { DestroyRef, inject, signal, type Signal } from '@angular/core';
import type { RelayMessage } from './feed.js';

/** The part of a browser's EventSource that is used here. */
declare class EventSource {
  constructor(url: string, options: { withCredentials: boolean });
  onmessage: ((event: { data: string }) => void) | null;
  onerror: (() => void) | null;
  readonly readyState: number;
  close(): void;
}

const CLOSED = 2;

/** The state of a feed in a page. */
export interface Relayed<T> {
  readonly status: RelayMessage['status'];
  readonly value: T | undefined;
  readonly error: string | undefined;
}

/**
 * Shows a value that the relay streams. While the relay is away it is `stale`. EventSource connects again by itself,
 * and names the last revision. A relay that refuses the page ends it, with `failed`.
 */
export function relayedValue<T>(url: string): Signal<Relayed<T>> {
  return relayed<T>(url, (last, { value }) => (value === undefined ? last : ((value ?? undefined) as T | undefined)));
}

/** Shows a range that the relay streams, as {@link relayedValue} does. */
export function relayedRange(url: string): Signal<Relayed<ReadonlyMap<string, string>>> {
  return relayed<ReadonlyMap<string, string>>(url, (last, { entries, changes = {} }) => {
    const map = new Map(entries === undefined ? last : Object.entries(entries));
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
    return map;
  });
}

function relayed<T>(url: string, next: (last: T | undefined, message: RelayMessage) => T | undefined): Signal<Relayed<T>> {
  const shown = signal<Relayed<T>>({ status: 'loading', value: undefined, error: undefined });
  const source = new EventSource(url, { withCredentials: true });
  source.onmessage = ({ data }) => {
    const message = JSON.parse(data) as RelayMessage;
    shown.update(({ value }) => ({ status: message.status, value: next(value, message), error: message.error }));
  };
  source.onerror = () => {
    const away = source.readyState === CLOSED ? 'failed' : 'stale';
    shown.update(({ status, value }) => ({
      status: status === 'loading' && away === 'stale' ? status : away,
      value,
      error: 'the relay does not respond',
    }));
  };
  inject(DestroyRef).onDestroy(() => source.close());
  return shown.asReadonly();
}
