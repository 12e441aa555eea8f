/** Tags, bidi controls, zero-width characters and variation selectors. */
const invisible =
  /[\u{E0000}-\u{E007F}\u{E0100}-\u{E01EF}\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFE00-\uFE0F\uFEFF\u00AD\u034F]/gu;

export const stripInvisible = (text: string): string => text.replace(invisible, "");
