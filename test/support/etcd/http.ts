import { readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { ClientTls } from './types.js';

/** Sends a GET; rejects unless the status is 200. Uses a separate connection, so that no pool outlives the server. */
export function getText(url: string, tls?: ClientTls, timeoutMs = 2000): Promise<string> {
  const files = tls && {
    ca: readFileSync(tls.caFile),
    cert: readFileSync(tls.probeCertFile ?? tls.certFile),
    key: readFileSync(tls.probeKeyFile ?? tls.keyFile),
  };
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? tlsRequest : plainRequest;
    const request = send(url, { agent: false, timeout: timeoutMs, ...files }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`GET ${url}: ${response.statusCode} ${text.slice(0, 200)}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`GET ${url}: no answer in ${timeoutMs} ms`)));
    request.on('error', reject);
    request.end();
  });
}

/** The response of `GET /version`. `cluster` is `not_decided` until the members have agreed. */
export async function getVersion(endpoint: string, tls?: ClientTls): Promise<{ server: string; cluster: string }> {
  const answer: unknown = JSON.parse(await getText(`${endpoint}/version`, tls));
  if (typeof answer === 'object' && answer !== null && 'etcdserver' in answer && 'etcdcluster' in answer) {
    return { server: String(answer.etcdserver), cluster: String(answer.etcdcluster) };
  }
  throw new Error(`${endpoint} does not answer like an etcd`);
}
