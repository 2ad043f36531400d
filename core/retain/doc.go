// Package retain decides what may leave the log stores of a cluster, and how a
// member gets what its own store does not hold: entries from another member's log
// store, or the exported state of another member's database. It is pure: core
// drives it with ticks, messages and what the host says, and hands its outputs on.
//
// # What it decides
//
//   - From which index on the log store keeps entries whatever its limits say
//     (From): what this node's database still needs, and what the other members'
//     databases need, as they say every TellMillis.
//   - Whom it asks for entries, one question at a time, and for how long
//     (HistoryMillis); what it answers, at most maxAnswers at a time.
//   - How a gap in the log store is filled, which the leader's snapshot left
//     (fill.go): from which member, in which order, and when it is given up.
//   - Whom it asks for an exported state, part by part; when the host exports one,
//     and for how long it keeps it (KeepMillis).
//
// # What it promises
//
//   - No entry that the database of this node, or of another member, needs leaves
//     this node's log store, if this node's database applies entries and cannot be
//     filled from an exported state, or if that member has said so since this core
//     started. See From for the rule.
//   - Nothing is kept without bound: what a member needs counts only as long as it
//     is a member, and a need that its member gives up counts no more once that is
//     heard. A member that is away for good has to be removed: until then its need
//     holds the logs of all.
//   - A gap is filled only with entries that follow its lower end, each as some member
//     gave it that had applied it, and whose terms fit to what is around it. Parts that
//     no member's log holds any more stay missing, and are said to be gone (Gone) only
//     once every other member has said so. While a member is silent, or of a build that
//     gives no stored entries, the others are asked again every fillRetryMillis.
//   - Memory is bounded: an answer by MaxHistoryBytes (or one entry) and
//     MaxHistoryEntries, open questions by maxFetches, exported states by one of
//     MaxStateBytes at a time, which the host holds.
//
// A node whose host never says Needs has no database: it tells nothing, asks
// nothing and orders nothing. It still answers others.
package retain
