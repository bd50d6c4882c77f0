/** True for what can stand behind the name of a header; anything else would begin another header, or be refused by whoever sends it. */
export const isHeaderText = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
