/** The limits that a user sets in prompts/email-triage.yaml, with a default for each. */
import { z } from "../../src/agent-kit.ts";

/** Separated by commas. */
const words = (defaults: string) => z.array(z.string().min(2)).default(defaults.split(/,\s*/));

const Rules = z
  .strictObject({
    lead: words(
      `pricing, price, quote, quotation, demo, trial, interested in, sales, buy, purchase, seat, licence, license,
       angebot, preis, lizenz, devis, tarif, presupuesto, precio, orçamento, preço, preventivo, prezzo, offerte, prijs,
       料金, 価格, 見積, デモ`,
    ),
    billing: words(
      `invoice, bill, refund, charge, payment, billing, receipt, vat, credit card, renewal, subscription, fee, pay,
       rechnung, rückerstattung, zahlung, facture, remboursement, factura, reembolso, pago, fatura, pagamento, fattura,
       rimborso, factuur, betaling, 請求, 領収書, 支払`,
    ),
    bug: words(
      `error, bug, crash, broken, fail, exception, not working, doesn't work, 500, fehler, kaputt, erreur, panne,
       problème, fallo, erro, errore, guasto, storing, エラー, 不具合, 障害`,
    ),
    support: words(
      `help, question, settings, hilfe, frage, aide, ayuda, pregunta, ajuda, dúvida, aiuto, domanda, hulp, vraag, 質問,
       使い方`,
    ),
    feedback: words(
      `feature request, suggestion, feedback, would be great, wish, love the, idea, excellent, wonderful, vorschlag,
       lob, sugerencia, sugestão, suggerimento, 要望`,
    ),
    urgent: words(
      `urgent, outage, down for, all users, production is, data loss, security, breach, asap, dringend, urgente`,
    ),
  })
  .prefault({});

export const Policy = z.strictObject({
  /** Our own addresses: mail from them is never answered, which would loop. */
  ownAddresses: z.array(z.email()).default([]),
  /** Below this a person sorts the mail: it becomes a ticket tagged `needs-triage`, never ignored. */
  minConfidence: z.number().min(0).max(1).default(0.6),
  /** Ignoring a mail takes more certainty than sorting it. */
  minNoiseConfidence: z.number().min(0).max(1).default(0.8),
  /**
   * What comes of doubt (low confidence, names that do not stand in the mail). clamp: a ticket for a person to sort, without
   * what is doubtful. review: that ticket waits for a person here.
   */
  onViolation: z.enum(["clamp", "review"]).default("clamp"),
  /** How much of the mail the model is shown, in characters. */
  maxTextChars: z.int().min(200).max(50_000).default(6_000),
  taskDueHours: z.int().positive().max(720).default(24),
  rules: Rules,
});
export type Policy = z.infer<typeof Policy>;
