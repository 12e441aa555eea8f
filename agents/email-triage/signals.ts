/**
 * What the rules see in a mail beside the words of the policy: turns of speech in which people write of one thing rather
 * than another, whatever their trade. Each stands for its category with a weight; rules.ts adds them up. Pure.
 */
import type { Decision } from "./decision.ts";

type Category = Decision["category"];

export interface Signal {
  readonly category: Category;
  /** 1: may be; 2: likely; 3: hardly anything else. */
  readonly weight: 1 | 2 | 3;
  readonly what: string;
  readonly pattern: RegExp;
}

const trouble =
  "(?:work|load|open|save|sync|start|respond|show|appear|display|arrive|send|print|update|render|connect)";
const things =
  "(?:data|files?|documents?|projects?|records?|notes?|entries|contacts|drafts?|changes|everything|attachments?|history|backups?)";
const offices =
  "(?:compan(?:y|ies)|customers?|clients?|tenants?|organi[sz]ations?|users?|accounts?|people)(?:'s|s')?";

/** Something that should happen does not, or did until some day. */
const bugs: readonly Signal[] = [
  {
    category: "bug",
    weight: 2,
    what: "something does not do what it should",
    pattern: new RegExp(
      `\\b(?:does(?:n't| not)|did(?:n't| not)|do(?:n't| not)|won't|will not|isn't|not|no longer|never|stopped|fails? to|unable to) (?:\\w+ )?${trouble}(?:s|ed|ing|ning)?\\b`,
      "i",
    ),
  },
  {
    category: "bug",
    weight: 2,
    what: "something stands still",
    pattern:
      /\b(?:blank|empty|white) (?:page|screen)\b|\b(?:hangs|freezes|frozen|spins|spinning|spinner|crash\w*|times? out|timed out|stuck)\b|\bnothing (?:happens|loads|is (?:downloaded|shown|saved))\b|\b(?:very|so|too|extremely|unusably) slow\b|\blag(?:s|gy|ging)\b|\btakes? (?:forever|minutes|ages|(?:over |more than |about )?\w+ (?:seconds|minutes))\b|\b(?:unresponsive|unusable)\b/i,
  },
  {
    category: "bug",
    weight: 2,
    what: "something is refused or comes out wrong",
    pattern:
      /\b(?:can(?:'t|not)|could(?:n't| not)|unable to) (?:\w+ )?(?:save|open|load|upload|download|delete|export|import|connect|send|print|sync|create|edit|submit|use)\b|\bpermission denied\b|\breturns? (?:nothing|no|zero|an empty|the wrong)\b|\b(?:shows?|showing|displays?|sends?) (?:the |an? |me )?(?:wrong|incorrect|old|empty|no)\b|\b(?:connection|session|call)s? (?:drops?|is dropp|(?:is |are )?dropping|expires?)\b|\b(?:logs?|logged|logging|kicks?|kicked) (?:me |us |everyone )?out\b/i,
  },
  {
    category: "bug",
    weight: 1,
    what: "it happens again and again",
    pattern: /\b(?:every time|whenever|each time|keeps? (?:\w+ )?\w+ing)\b/i,
  },
  {
    category: "bug",
    weight: 1,
    what: "it began at some time",
    pattern:
      /\b(?:since|after) (?:the |your |last |this |yesterday|noon|\d|\w+ o'clock|mon|tues|wednes|thurs|fri|satur|sun)[\w' ]{0,20}/i,
  },
  {
    category: "bug",
    weight: 2,
    what: "data are gone",
    pattern: new RegExp(
      `\\b${things}\\b[^.!?]{0,40}\\b(?:gone|lost|missing|vanished|disappeared|wiped|deleted)\\b|\\b(?:lost|missing|wiped|deleted)\\b[^.!?]{0,30}\\b${things}\\b`,
      "i",
    ),
  },
  {
    category: "bug",
    weight: 3,
    what: "they see what is not theirs",
    pattern: new RegExp(
      `\\b(?:i|we) (?:can |could |was |were |am |are )?(?:now )?(?:see|saw|shown|get|got|view|read|open|access|download)\\b[^.!?]{0,60}\\b(?:other|another|different|someone else's?|foreign) ${offices}`,
      "i",
    ),
  },
  {
    category: "bug",
    weight: 2,
    what: "words of a security matter",
    pattern:
      /\b(?:data leaks?|leak(?:s|ed|ing)? (?:data|information)|vulnerabilit(?:y|ies)|security (?:hole|issue|flaw|bug)|hacked|breach(?:ed)?)\b/i,
  },
  {
    category: "bug",
    weight: 2,
    what: "it stopped, in another language",
    pattern:
      /\bfunktioniert\b.{0,40}\bnicht|\bgeht nicht\b|\bstürzt ab\b|\bne (?:fonctionne|marche|charge)\w* (?:pas|plus)\b|\bplante\b|\bno (?:funciona|carga|abre|hace nada)\b|\bnão (?:funciona|abre|carrega)\b|\bnon (?:funziona|si apre|carica)\b|\bwerkt niet\b|動作しない|動きません|開けません/i,
  },
];

/** Money that is owed, was paid or should not have been; the plan of somebody who has one. */
const bills: readonly Signal[] = [
  {
    category: "billing",
    weight: 2,
    what: "money was taken",
    pattern:
      /\b(?:charged?|billed?|debited|deducted|withdrew|taken?|took|take) (?:\w+ ){0,3}(?:me|us|cards?|account|money|twice|again)\b|\bmoney back\b|\b(?:you|we|i) (?:have )?(?:paid|pay)\b/i,
  },
  {
    category: "billing",
    weight: 2,
    what: "a means of payment",
    pattern:
      /\b(?:credit|debit|my|old|new|company|our|bank|expired) cards?\b|\bpurchase orders?\b|\bPO[ -]?\d{3,}\b|\b(?:wire|bank) transfer\b|\bdirect debit\b|\bbank (?:account|details)\b/i,
  },
  {
    category: "billing",
    weight: 2,
    what: "another plan, from one they have",
    pattern:
      /\b(?:upgrade|downgrade|move|switch|change|go)\b[^.!?]{0,30}\b(?:from|to)\b[^.!?]{0,40}\b(?:plan|tier|billing|monthly|yearly|annual|starter|basic|pro|team|business|enterprise)\b/i,
  },
  {
    category: "billing",
    weight: 1,
    what: "book-keeping",
    pattern:
      /\b(?:auditors?|accountants?|accounts department|accounting|book-?keep\w*|tax(?:es| return)?|renewals?)\b/i,
  },
  {
    category: "billing",
    weight: 2,
    what: "money was taken, in another language",
    pattern:
      /\babgebucht\b|\berstatt\w+|\bdébité\w*|\bprélevé\w*|\brembours\w+|\bcobr(?:ado|aron|an|o)\b|\breembols\w+|\brimbors\w+|\baddebit\w+|\bafgeschreven\b|返金|引き落とし/i,
  },
];

/** A purchase that is being thought of, by somebody who has not bought yet. */
const leads: readonly Signal[] = [
  {
    category: "lead",
    weight: 2,
    what: "vendors are compared",
    pattern:
      /\b(?:evaluat(?:e|ing|ion)|short-?list\w*|compar(?:e|ing|ison)|looking for (?:an?|some|new)|request for (?:proposal|quotation)|rf[piq]|tender|procurement|(?:vendor|supplier|security) (?:questionnaire|assessment|review)|before we (?:can )?(?:sign|buy|decide))\b/i,
  },
  {
    category: "lead",
    weight: 2,
    what: "they want to buy",
    pattern:
      /\b(?:want|like|plan|ready|likely|wish|wants|plans|hope) to (?:buy|purchase|order|subscribe|sign up|roll|try|get started)\b|\bhow (?:do|can|would|could) (?:i|we) (?:buy|order|sign up|subscribe)\b|\bwant to buy\b|\bwould sign up\b/i,
  },
  {
    category: "lead",
    weight: 2,
    what: "a price or plan that they do not have yet",
    pattern:
      /\b(?:is there|are there|do you (?:have|offer))\b[^.!?]{0,40}\b(?:plan|rate|discount|tier|edition|licen[cs]es?|price|trial)s?\b|\bwhat (?:does|would|do) [^.!?]{0,30}\bcost\b|\bhow much\b|\bprice list\b/i,
  },
  {
    category: "lead",
    weight: 1,
    what: "how many they would be",
    pattern:
      /\b(?:\d+|two|three|four|five|six|eight|ten|twelve|twenty|fifty|hundred) (?:seats?|users?|licen[cs]es?|people|employees|agents|desks|workstations|colleagues)\b/i,
  },
  {
    category: "lead",
    weight: 1,
    what: "they want to see it, or to sell it on",
    pattern:
      /\b(?:show|walk) (?:me|us|our)\b|\bwhat you can do\b|\b(?:resellers?|resell|work with partners|partner program(?:me)?)\b/i,
  },
  {
    category: "lead",
    weight: 2,
    what: "a price, in another language",
    pattern:
      /\bwas kostet\b|\bcombien coûte\w*|\bcuánto (?:cuesta|vale|costaría)\w*|\bquanto cust\w+|\bquanto costa\b|\bwat kost\b|いくら|導入を検討/i,
  },
];

const questions: readonly Signal[] = [
  {
    category: "support",
    weight: 2,
    what: "it asks how something is done",
    pattern:
      /\bhow (?:do|can|could|should|would) (?:i|we|you|one)\b|\bhow to\b|\bwhere (?:can|do|does|is|are|would) \w+|\b(?:which|what) (?:\w+ ){0,3}(?:setting|option|attribute|address|field|format|limit|number of|menu)s?\b|\bis (?:it|there) (?:possible|a way)\b|\bdo you have a guide\b/i,
  },
  {
    category: "support",
    weight: 1,
    what: "it asks us to do something",
    pattern:
      /\b(?:could|can|would) (?:you|somebody|someone) (?:please )?(?:add|remove|merge|change|reset|enable|extend|help|show|tell|explain|delete|restore|look)\b|\bplease (?:add|remove|merge|change|reset|enable|help|delete|restore|explain)\b/i,
  },
  {
    category: "support",
    weight: 2,
    what: "somebody can't get in",
    pattern:
      /\blocked out\b|\bforg[eo]t(?:ten)? (?:my|our|the) password\b|\bi can(?:'t|not) (?:log|sign|get) ?(?:in|into)\b|\bget (?:back )?into my account\b|\b(?:two-factor|2fa|authenticator)\b|\bnew password\b/i,
  },
  {
    category: "support",
    weight: 3,
    what: "a request about personal data",
    pattern:
      /\b(?:gdpr|dsgvo|rgpd|ccpa)\b|\b(?:erase|erasure of|delete|copy of)\b[^.!?]{0,30}\b(?:personal )?data\b[^.!?]{0,20}\b(?:about|on|of) me\b|\bright to be forgotten\b/i,
  },
  {
    category: "support",
    weight: 1,
    what: "setting something up",
    pattern:
      /\b(?:saml|sso|single sign-on|api (?:reference|limits?|keys?)|identity provider|configur\w+|set(?:ting)? up|your (?:guide|documentation))\b/i,
  },
  {
    category: "support",
    weight: 2,
    what: "it asks how something is done, in another language",
    pattern:
      /\bwie (?:kann|können|stelle|mache) (?:ich|wir)\b|\bwo (?:finde|kann) ich\b|\bcomment (?:puis-je|pouvons-nous|faire|je)\b|\b(?:où|ou) (?:puis-je|se trouve)\b|\bcómo (?:puedo|podemos|se)\b|\bdónde (?:puedo|está)\b|\bcomo (?:faço|posso|podemos)\b|\bcome (?:posso|faccio|si)\b|\bhoe kan ik\b|教えて(?:ください|いただ)|方法/i,
  },
];

/** What people think of us, where nothing has to be done. */
const opinions: readonly Signal[] = [
  {
    category: "feedback",
    weight: 2,
    what: "it only wants to be said",
    pattern:
      /\b(?:just|only) want(?:ed)? to (?:say|tell|let you know|thank|share)\b|\bthat is all\b|\bwollte nur sagen\b|\bje voulais (?:juste|simplement)\b/i,
  },
  {
    category: "feedback",
    weight: 2,
    what: "a wish",
    pattern:
      /\b(?:it )?(?:would|'d) be (?:nice|great|good|helpful|useful|cool)\b|\bstill (?:no|not any|isn't a) way to\b|\bmissing feature\b|\b(?:please )?consider adding\b/i,
  },
  {
    category: "feedback",
    weight: 1,
    what: "an opinion",
    pattern:
      /\b(?:i|we) (?:really |still |also )?(?:love|loved|like|liked|enjoy|miss|prefer|hate|find the|feel that)\b|\bfeels? (?:worse|better|slower|nicer|cluttered)\b|\b(?:well done|nice work|good job|great work|keep it up|bravo|kudos)\b|\b(?:super|very|always|so) (?:helpful|kind|friendly)\b|\b(?:disappoint\w*|cluttered|confusing|ruined|terrible|awful|the worst|waste of (?:time|money)|rip-?off)\b/i,
  },
  {
    category: "feedback",
    weight: 2,
    what: "a mark that was asked for",
    pattern: /\b\d{1,2} ?(?:out of|\/) ?(?:5|10)\b/i,
  },
  {
    category: "feedback",
    weight: 1,
    what: "a farewell",
    pattern:
      /\b(?:moved|switched|switching|moving) to (?:another|a different)\b|\bgood-?bye\b|\ball the best\b/i,
  },
  {
    category: "feedback",
    weight: 2,
    what: "praise, in another language",
    pattern:
      /\bwunderbar\b|\bsuper gemacht\b|\bgroßartig\b|\bmagnifique\b|\bmaravillos[oa]\b|\bincre[íi]ble\b|\bmaravilhos[oa]\b|\bbellissim[oa]\b|\bprachtig\b|素晴らしい/i,
  },
];

/** Somebody offers what they sell, or money that does not exist: the words of a purchase are then about theirs. */
const offers: readonly Signal[] = [
  {
    category: "noise",
    weight: 2,
    what: "they offer what they sell",
    pattern:
      /\bwe (?:offer|provide|speciali[sz]e|help (?:\w+ ){0,2}(?:companies|businesses|teams|founders|brands|agencies|startups))\b|\b(?:our|my) (?:platform|services|agency|developers|engineers|catalogue|catalog) (?:helps?|can|is|are|offers?)\b|\bmay we send you our\b|\bpitch\b|\bpartnership proposal\b/i,
  },
  {
    category: "noise",
    weight: 1,
    what: "they say what they are",
    pattern:
      /\bwe (?:are|have) (?:an? |\d+ |\w+ )?(?:\w+ ){0,3}(?:agency|manufacturer|supplier|factory|(?:software|web) development company|developers|engineers|candidates)\b|\b(?:outsourcing|offshore|staff augmentation|lead generation)\b/i,
  },
  {
    category: "noise",
    weight: 2,
    what: "it is about our site or our likes",
    pattern:
      /\byour (?:web ?site|site|blog|ranking|traffic|domain)(?:'s)?\b|\b(?:companies|businesses|teams) like yours\b|\b(?:seo|backlinks?|do-?follow|guest posts?|sponsored (?:post|article)|link building)\b/i,
  },
  {
    category: "noise",
    weight: 1,
    what: "the close of a cold mail",
    pattern:
      /\b(?:would you be|are you) (?:interested|free|available|open to)\b|\binterested in (?:a|our|their|seeing)\b|\b(?:just )?(?:bumping|following up|circling back|checking in)\b|\b(?:10|15|20|30|fifteen|twenty|thirty)[- ]?min(?:ute)?s?\b|\bfree (?:quote|audit|consultation|sample)s?\b|\breply ["'“]?(?:no|stop)\b|\bshow you (?:a|our)\b|\b(?:competitive|best) (?:rates?|prices?)\b|\b\d+ (?:usd|eur) an hour\b/i,
  },
  {
    category: "noise",
    weight: 3,
    what: "money from nowhere",
    pattern:
      /\byou (?:have |were )?(?:won|been (?:selected|chosen)|selected)\b|\b(?:lottery|jackpot|inheritance|next of kin|cash prize|unclaimed (?:funds?|money))\b/i,
  },
];

export const signals: readonly Signal[] = [...bugs, ...bills, ...leads, ...questions, ...opinions, ...offers];

/** Who is struck, where something is broken. */
export const everyone =
  /\b(?:nobody|no one|none of (?:us|our|the)|everyone|everybody|all (?:of us|users|our (?:users|people|staff|customers|data|documents|files))|(?:whole|entire) (?:team|company|office|organi[sz]ation))\b/i;
export const minor = /\b(?:typo|spelling|cosmetic|minor|small|tiny|trivial)\b/i;
export const soon =
  /\b(?:today|tonight|tomorrow|right now|immediately|as soon as possible|by (?:next )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|deadline|legal period|due (?:today|tomorrow))\b/i;
/** What only somebody says who has an account. */
export const owned =
  /\b(?:our|my) (?:workspace|account|subscription|plan|tickets?|dashboard|invoices?|projects?|users)\b|\bwe (?:use|are using|have been using) (?:your|it|the)\b/i;
