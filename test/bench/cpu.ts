/** CPU of this process, all its threads, in microseconds. @returns what tells how much since */
export function cpuWatch(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
}
