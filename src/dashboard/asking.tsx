/** A person's order to the service: one at a time, with what became of it. The page changes once the live feed tells of it. */
import { useState } from "preact/hooks";

export function useAsking() {
  const [fault, setFault] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const ask = (order: () => Promise<unknown>) => {
    setAsking(true);
    order()
      .then(
        () => setFault(null),
        (error: unknown) => setFault(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => setAsking(false));
  };
  return { fault, isAsking, ask, setFault };
}

export const Fault = ({ of }: { readonly of: string | null }) =>
  of === null ? null : (
    <span class="fault" role="alert">
      {of}
    </span>
  );
