/** The functions of jest's own packages that `expect` uses, in a page. */
export const isPromise = (value: unknown): boolean => typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
export const pluralize = (word: string, count: number): string => `${count} ${word}${count === 1 ? '' : 's'}`;
export class ErrorWithStack extends Error {}
export const separateMessageFromStack = (stack: string): { readonly stack: string } => ({ stack });
export const formatStackTrace = (stack: string): string => stack;
export const formatExecError = (error: unknown): string => String(error);
