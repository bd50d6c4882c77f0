/** Whether the tests run on the etcd in memory: `ETCD=memory`. */
export const inMemory = process.env['ETCD'] === 'memory';
