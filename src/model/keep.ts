const kept: object[] = [];

/**
 * Keeps an object of a class, so that there always is one. V8 forgets how those of a class are laid out when a full collection finds none, and with that throws away all
 * code that it has optimised for them: what is done, is over, and is done again would be slow each time, and cost a second core for being optimised anew.
 */
export const keep = (instance: object): void => void kept.push(instance);
