/** Words that the docs avoid, with their replacements. One word per concept: see docs/glossary.md. */
export const WORDS = [
  { pattern: 'nobody|no one', instead: '"no <noun>", such as "no subscriber"' },
  { pattern: 'somebody|someone|whoever|whom', instead: 'the noun, such as "a caller"' },
  { pattern: 'told', instead: '"reported", "notified" or "described"' },
  { pattern: 'anew', instead: '"again" or "new"' },
  { pattern: 'lest', instead: '"so that … not"' },
  { pattern: 'given back|gives? back|giving back', instead: '"released", "revoked" or "returned"' },
  { pattern: 'of (?:its|their|his|her) own', instead: '"its own <noun>" or "separate"' },
];

/** Beginnings that hide the subject of a sentence. */
export const BEGINNINGS = ['What', 'Who', 'Whoever', 'That', 'One who', 'Where', 'So many'];
