import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Observable } from 'rxjs';
import { Report } from './registration.js';

/** Starts a service, and emits its reports. Unsubscribing kills the service, which has no time to clean up. */
export function serviceProcess(...args: readonly string[]): Observable<Report> {
  return new Observable((subscriber) => {
    // In a separate process group: Ctrl-C is for the demo, which then ends the service.
    const child = fork(fileURLToPath(new URL('./service.ts', import.meta.url)), args, { detached: true });
    subscriber.add(() => child.kill('SIGKILL'));
    child.on('message', (message) => {
      if (Report.is(message)) subscriber.next(message);
      else subscriber.error(new Error('the service sent an unknown message'));
    });
    child.on('error', (error) => subscriber.error(error));
    child.on('exit', (code, signal) => subscriber.error(new Error(`the service ended by itself (${signal ?? code})`)));
  });
}
