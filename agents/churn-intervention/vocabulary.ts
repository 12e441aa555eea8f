/**
 * The words of which the one sentence in a customer's mail may consist. A list of what is allowed and not of what is not:
 * an amount, a promise, a name or a link can be written in too many ways to forbid each.
 */
const words =
  "a able about account adapt add advice afford after again all also although always an and annoying " +
  "another answer answered any anything apologies apologise app appreciate appreciated are as ask asked " +
  "asking at attention available away back be became because become been before being best better " +
  "between big budget budgets busy but by came can cannot care caring change changed changes changing " +
  "choice chose clear clearer clearly close closely come comes complex complicated concern concerns " +
  "confusing consider cost costs could cover cut cuts daily day days decide decided decision deserve " +
  "deserved did differ different difficult disappointed disappointing disappointment do does done " +
  "during each easier easily easy effort else enough even ever every everyone exactly expect " +
  "expectations expected expensive experience experienced explain explained explaining far feature " +
  "features feedback feel feels fell felt few find finding fit fits fitting follow for found from " +
  "frustrating frustration further get getting go goes good got great grew had happen happened hard " +
  "harder hardly has have having hear heard hearing help helped helpful helping here high honest " +
  "honestly hope hoped hoping how i if important in instead into is issue issues it its just keep kept " +
  "kind know knowing last late later leave leaving left less let letting like little long longer look " +
  "looking lost made make makes making many matter matters may me mean means meant meet might missed " +
  "missing more most move moved moving much must my need needed needing needs never new no not noted " +
  "nothing now of on one only open openly or other others our out over own part patience people plainly " +
  "plan plans please point possible present price prices pricing problem problems product project " +
  "quality question quickly quite rather read reading really reason reasons received recently reply " +
  "request requested requests respond response right said same saw say saying see seem seems seen sense " +
  "sent serve service set share shared sharing short should show shown side simple simpler since " +
  "situation slow so some something sometimes soon sorry sounds speak spend spending still stop stopped " +
  "stuck such support supported sure switch switched take taken taking team teams tell telling than " +
  "thank thanks that the their them then there these they thing things think this those though thought " +
  "through tight tighter time times to together told too took tool tools tried trouble try trying " +
  "turned unclear understand understandable understanding understood unhappy until up us use used " +
  "useful using very wait waited waiting want wanted was way ways we week weeks well went were what " +
  "when where which while who why wish wished with without word words work worked working works would " +
  "write writing wrote year years you your yours yourself";

export const vocabulary: ReadonlySet<string> = new Set(words.split(" "));
