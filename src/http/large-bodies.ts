/**
 * What large bodies hold in memory together. A body is read before anybody knows who sent it, and GitHub's may have 25 MB:
 * without a bound, some dozens of strangers at once would fill the memory. Ordinary bodies are never refused for it.
 */
export interface LargeBodies {
  /** One request's part of the room; to be given back whatever becomes of the request. */
  share(): Share;
}

export interface Share {
  /** The body has now this many bytes. False when there is no room for so many. */
  grow(bytes: number): boolean;
  giveBack(): void;
}

/** In bytes: what all may hold beyond their first `ordinary` ones. */
export function createLargeBodies(room: number, ordinary: number): LargeBodies {
  let held = 0;
  return {
    share() {
      let own = 0;
      return {
        grow(bytes) {
          const wanted = Math.max(0, bytes - ordinary);
          if (held - own + wanted > room) return false;
          held += wanted - own;
          own = wanted;
          return true;
        },
        giveBack() {
          held -= own;
          own = 0;
        },
      };
    },
  };
}
