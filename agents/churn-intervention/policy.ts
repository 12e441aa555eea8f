/** The limits that a user sets in prompts/churn-intervention.yaml, with a default for each. */
import { z } from "../../src/agent-kit.ts";

const Tutorial = z.strictObject({
  title: z.string().min(1).max(120),
  url: z.url({ protocol: /^https$/ }),
  /** Words by which rules recognise that a customer means this feature. */
  keywords: z.array(z.string().min(2)).default([]),
});

/** Separated by commas. */
const words = (defaults: string) => z.array(z.string().min(2)).default(defaults.split(/,\s*/));

const Rules = z
  .strictObject({
    /** What rules propose for a price complaint. */
    discountPercent: z.int().min(1).max(100).default(15),
    price: words(
      `expensive, price, pricing, cost, budget, afford, cheaper, overpriced, teuer, preis, cher, prix, caro, cara, precio,
       preço, costoso, prezzo, duur`,
    ),
    support: words(
      `support, customer service, no answer, no reply, nobody answers, wait, response, ticket, ignored, kundendienst,
       keine antwort, pas de réponse, nadie contesta, nadie responde, sin respuesta, ninguém responde, nessuna risposta`,
    ),
    quality: words(
      `crash, bug, buggy, error, outage, downtime, unreliable, unstable, slow, broken, doesn't work, not working, fail,
       abstürze, fehler, instabil, plantage, panne, fallos, errores, lento, erros, instável, guasti`,
    ),
    complexity: words(
      `complicated, complex, confusing, hard to use, difficult, learning curve, kompliziert, compliqué, complicado, difícil,
       difficile, ingewikkeld`,
    ),
    missing: words(
      `missing, lack, doesn't support, no support for, no way to, fehlt, il manque, falta, manca, ontbreekt`,
    ),
    unused: words(
      `don't use, didn't use, not using, never used, hardly use, rarely use, stopped using, no longer need, don't need,
       brauchen es nicht, nicht mehr gebraucht, n'utilisons, ya no usamos, não usamos, non usiamo`,
    ),
    switched: words(
      `switched to, switching to, moved to, moving to, went with, competitor, alternative, another tool, another provider,
       other tool, different tool, in-house, gewechselt, anbieter, autre outil,
       otra herramienta, outra ferramenta, altro strumento`,
    ),
  })
  .prefault({});

export const Policy = z.strictObject({
  maxPercent: z.int().min(1).max(50).default(20),
  durationMonths: z.int().min(1).max(12).default(3),
  /** How long the code can be redeemed. */
  offerDays: z.int().min(1).max(60).default(14),
  minPaidInvoices: z.int().min(0).default(2),
  minTenureDays: z.int().min(0).default(30),
  /** Nobody is offered a discount again within this time after one. */
  coolDownDays: z.int().min(0).default(180),
  minConfidence: z.number().min(0).max(1).default(0.6),
  /**
   * What comes of a decision that is doubtful (low confidence, nothing cited, unknown ids) or above the cap. review: the
   * offer waits for a person, within the cap. clamp: a colleague is asked to call instead; an offer is cut to the cap.
   */
  onViolation: z.enum(["clamp", "review"]).default("review"),
  /** Yearly plans: a percentage of a year is a lot, so a person decides unless this is on. */
  discountYearly: z.boolean().default(false),
  /** Acts on subscriptions of Stripe's test mode too. On by default, since set-ups begin there; off once you are live. */
  allowTestMode: z.boolean().default(true),
  /** Mail to customers on the word of rules alone. Off: a person is asked to call instead. */
  rulesMaySend: z.boolean().default(false),
  callWithinHours: z.int().positive().max(240).default(24),
  /** How mails to customers end. */
  signature: z.string().min(1).max(200).default("Your customer team"),
  /** Features that exist and are missed all the same, by key; the model picks a key and never writes a link. */
  tutorials: z.record(z.string().regex(/^[a-z0-9_-]{1,40}$/), Tutorial).default({}),
  rules: Rules,
});
export type Policy = z.infer<typeof Policy>;
