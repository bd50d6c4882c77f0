/** Returns a function that returns the CPU time that all threads of this process have used since, in microseconds. */
export function cpuWatch(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
}
