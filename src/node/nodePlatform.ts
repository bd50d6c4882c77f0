import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { EtcdError } from '../errors/index.js';
import type { OptionLimits, Settings, Platform } from '../options/clientOptions.js';
import { nodeOptions } from '../options/nodeOptions.js';
import { parts } from '../options/parts.js';
import { lazyTransport } from '../transport/http/transport.js';
import { jsonWire } from '../transport/json/jsonWire.js';
import type { Wire } from '../transport/wire.js';
import { TlsSource } from './certificates.js';
import type { Identity } from '../concurrency/context.js';

/** The platform of Node, with undici. Deno runs the same code. */
export const nodePlatform: Platform = { identity, limits, wire, parts };

const runsOn = (name: 'Bun' | 'Deno'): boolean => name in globalThis;

function limits(): OptionLimits {
  if (runsOn('Bun'))
    throw unsupported('Bun replaces the HTTP client undici with another one that rxetcd cannot use; use Node 20.18.1 or newer');
  // On Deno, a request with an open body never gets a response.
  return runsOn('Deno') ? { ...nodeOptions, noHttp2: 'Deno does not support HTTP/2 streams both ways' } : nodeOptions;
}

function wire(settings: Settings): Wire {
  // The certificates are checked now, so that an error is thrown here, and not by the first call.
  const tls = new TlsSource(settings.tls);
  const transport = lazyTransport(async () => {
    const { undiciTransport } = await loadModule(() => import('./undiciTransport.js'));
    return undiciTransport({ ...settings, tls });
  });
  return jsonWire(transport, settings, parts.messagesOf);
}

/**
 * Loads a module of the transport. A bundle may lack this module, or a package that it imports.
 *
 * @throws EtcdError `UnsupportedRuntime`
 */
export async function loadModule<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = 'in an ES module bundle, keep undici external or define require (see docs/runtimes.md)';
    throw unsupported(`the HTTP client undici cannot be loaded: ${why}; ${remedy}`, cause);
  }
}

const unsupported = (message: string, cause?: unknown): EtcdError => new EtcdError('UnsupportedRuntime', message, { cause });

/** Returns the names of the current host, process and thread. */
export function identity(): Identity {
  const host = hostname();
  const one = [host, ...birthOfProcess(), process.pid].join('/');
  return { host, process: one, thread: `${one}/${threadId}` };
}

/**
 * Returns texts that distinguish this process from others with the same process id. Two containers may have the same
 * host name, and each of them has a process 1. Also, an operating system uses the ids of ended processes again. Only
 * Linux provides these texts. On other systems, only the id distinguishes processes.
 */
function birthOfProcess(): readonly string[] {
  try {
    const namespace = readlinkSync('/proc/self/ns/pid');
    // The start time is the 20th field after the program's name. The name may contain any character.
    const started =
      readFileSync('/proc/self/stat', 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19] ?? '';
    return [namespace.replace(/\D/g, ''), started];
  } catch {
    return [];
  }
}
