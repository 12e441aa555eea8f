/**
 * Who or what wrote a mail, by its headers. No single signal is enough (`Auto-Submitted` alone marks a third of all
 * bounces), so several are joined. Pure.
 */
export interface Header {
  readonly name: string;
  readonly value: string;
}

/** bounce, report and auto-reply are never answered; list means "no reply expected", not "unwanted". */
export type Automation = "bounce" | "abuse-report" | "auto-reply" | "own" | "list";

export interface AutomationVerdict {
  readonly kind: Automation | null;
  /** What was seen, for people. */
  readonly signals: readonly string[];
}

const daemon =
  /\b(?:mailer-?daemon|mail[-_. ]?delivery[-_. ]?(?:sub)?system|mail deliver(?:y)? system|double-bounce)\b/i;
/** A mail system's as a rule, but administrators write from it too. */
const postmaster = /\bpoo?stmaster\b/i;
const bounceSubject =
  /undeliver(?:ed|able)|deliver(?:y|ed)[^a-z]*(?:status|failure|fail|notification|problem|error)|delivery.{0,20}(?:failed|failure)|fail(?:ed|ure)[ -]*(?:notice|delivery)|returned mail|returning message|returned to sender|mail (?:system )?error|could not be delivered|blocked by our bulk|you .{1,80} are not member|unzustellbar|non remis|no se puede entregar|エラー|不達|配信できません/i;
/** Only as the whole subject or before a colon: "Automatic reply settings are broken" is a customer's. */
const replySubject =
  /^\s*(?:auto(?:matic|mated)?[ -]?(?:reply|response)|autoreply|out of (?:the )?office(?: (?:auto)?reply)?|abwesenheits(?:notiz|nachricht)|automatische antwort|réponse automatique|respuesta automática|risposta automatica|自動返信|不在通知)\s*(?:[:：]|$)/i;
/** Senders that no person writes from. */
const robot =
  /^(?:no-?reply|do-?not-?reply|noreply|.+-(?:admin|owner|request|bounces?))(?:[+._-][^@]*)?@|^(?:notifications?|newsletter)@/i;

const valuesOf = (headers: readonly Header[], name: string): string[] =>
  headers.filter((header) => header.name.toLowerCase() === name).map((header) => header.value.trim());

export interface Envelope {
  readonly headers: readonly Header[];
  readonly from: string;
  readonly fromName: string;
  readonly subject: string;
  readonly ownAddresses: readonly string[];
}

function bounceSignals({ headers, from, fromName, subject }: Envelope): string[] {
  const contentType = valuesOf(headers, "content-type").join(" ");
  const returnPath = valuesOf(headers, "return-path");
  return [
    ...(/report-type\s*=\s*"?delivery-status/i.test(contentType) ? ["a delivery report"] : []),
    ...(/multipart\/report/i.test(contentType) ? ["multipart/report"] : []),
    ...(valuesOf(headers, "x-failed-recipients").length > 0 ? ["X-Failed-Recipients"] : []),
    ...(returnPath.some((path) => path === "<>" || daemon.test(path)) ? ["an empty Return-Path"] : []),
    ...(daemon.test(from) || daemon.test(fromName) ? ["sent by a mail system"] : []),
    ...(bounceSubject.test(subject) ? ["a delivery subject"] : []),
  ];
}

function replySignals({ headers, subject }: Envelope): string[] {
  const auto = valuesOf(headers, "auto-submitted").filter((value) => /^auto-replied\b/i.test(value));
  return [
    ...(auto.length > 0 ? ["Auto-Submitted: auto-replied"] : []),
    ...(["x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply"].some((name) =>
      valuesOf(headers, name).some((value) => !/^no$/i.test(value)),
    )
      ? ["an auto-reply header"]
      : []),
    ...(valuesOf(headers, "precedence").some((value) => /auto[_-]?reply/i.test(value))
      ? ["Precedence: auto_reply"]
      : []),
    ...(replySubject.test(subject) ? ["an auto-reply subject"] : []),
  ];
}

function listSignals({ headers, from }: Envelope): string[] {
  return [
    ...(["list-id", "list-unsubscribe", "list-post", "list-subscribe"].some(
      (name) => valuesOf(headers, name).length > 0,
    )
      ? ["list headers"]
      : []),
    ...(valuesOf(headers, "precedence").some((value) => /bulk|list|junk/i.test(value))
      ? ["Precedence: bulk"]
      : []),
    ...(robot.test(from) || postmaster.test(from) ? ["a sender that is no person"] : []),
    // Contact forms say auto-generated too: a sign to weigh, not a reason to drop an enquiry.
    ...(valuesOf(headers, "auto-submitted").some((value) => /^auto-(?:generated|notified)\b/i.test(value))
      ? ["Auto-Submitted: auto-generated"]
      : []),
    ...(valuesOf(headers, "x-auto-response-suppress").some((value) =>
      /\b(?:all|oof|autoreply)\b/i.test(value),
    )
      ? ["X-Auto-Response-Suppress"]
      : []),
  ];
}

/**
 * A delivery subject alone never makes a bounce, since people write about failed deliveries, also through a list: it
 * takes a sender that no person writes from. An empty Return-Path with `Auto-Submitted: auto-replied` is a vacation
 * reply by RFC 3834, unless a mail system sent it.
 */
export function automationOf(envelope: Envelope): AutomationVerdict {
  const { headers, from } = envelope;
  const address = from.toLowerCase();
  const own = [...envelope.ownAddresses, ...valuesOf(headers, "delivered-to")];
  if (address !== "" && own.some((each) => each.toLowerCase() === address)) {
    return { kind: "own", signals: ["sent from our own address"] };
  }
  const contentType = valuesOf(headers, "content-type").join(" ");
  if (/report-type\s*=\s*"?feedback-report/i.test(contentType)) {
    return { kind: "abuse-report", signals: ["a feedback report"] };
  }
  const bounce = bounceSignals(envelope);
  const reply = replySignals(envelope);
  const list = listSignals(envelope);
  const strongReply = reply.some((signal) => signal !== "an auto-reply subject");
  const quietBounce = bounce.every((signal) => signal === "an empty Return-Path");
  if (strongReply && (bounce.length === 0 || quietBounce))
    return { kind: "auto-reply", signals: [...reply, ...bounce] };
  const strongBounce = bounce.some((signal) => signal !== "a delivery subject");
  if (strongBounce || (bounce.length > 0 && (robot.test(from) || postmaster.test(from))))
    return { kind: "bounce", signals: bounce };
  if (reply.length > 0) return { kind: "auto-reply", signals: reply };
  return { kind: list.length > 0 ? "list" : null, signals: list };
}
