// kinds.js: how messages and terms look. Colours are Okabe and Ito's, which
// colour-blind readers can tell apart; dashes and arrow heads say the same.

const GROUPS = [
  { id: "append", name: "Append", kinds: ["MsgApp", "MsgAppResp"], colour: "--blue", dash: [], width: 1.4 },
  { id: "heartbeat", name: "Heartbeat and lease", kinds: ["MsgHeartbeat", "MsgHeartbeatResp"], colour: "--grey", dash: [1, 3], width: 1.1 },
  { id: "prevote", name: "Pre-vote", kinds: ["MsgPreVote", "MsgPreVoteResp"], colour: "--orange", dash: [5, 3], width: 1.8, rare: true },
  { id: "vote", name: "Vote", kinds: ["MsgVote", "MsgVoteResp"], colour: "--vermillion", dash: [10, 3], width: 2.2, rare: true },
  { id: "snapshot", name: "Snapshot", kinds: ["MsgSnap"], colour: "--purple", dash: [], width: 3.5, rare: true },
  { id: "transfer", name: "Leadership transfer", kinds: ["MsgTimeoutNow", "MsgTransferLeader"], colour: "--green", dash: [12, 3, 2, 3], width: 2.4, rare: true },
  { id: "forward", name: "Forwarded proposal", kinds: ["Forward", "ForwardReply"], colour: "--green", dash: [3, 2], width: 1.4 },
  { id: "read", name: "Read", kinds: ["ReadRequest", "ReadReply", "MsgReadIndex", "MsgReadIndexResp"], colour: "--sky", dash: [8, 3, 2, 3], width: 1.4 },
  { id: "entry", name: "Failover's proposals", kinds: ["FailoverEntry"], colour: "--purple", dash: [6, 2], width: 1.8, rare: true },
  { id: "told", name: "Failover's reports", kinds: ["FailoverTold"], colour: "--grey", dash: [2, 4], width: 1 },
  { id: "other", name: "Other", kinds: [], colour: "--ink", dash: [2, 2], width: 1.4, rare: true },
];

// groupOf maps the header's kind numbers to GROUPS.
function groupsOf(kinds) {
  return Uint8Array.from(kinds, (k) => {
    const i = GROUPS.findIndex((g) => g.kinds.includes(k));
    return i < 0 ? GROUPS.length - 1 : i;
  });
}

const TERM_COLOURS = ["--term0", "--term1", "--term2", "--term3", "--term4", "--term5"];

// palette reads the theme's colours, which the canvas cannot do by itself.
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return {
    get,
    ink: get("--ink"),
    quiet: get("--quiet"),
    line: get("--line"),
    paper: get("--paper"),
    accent: get("--accent"),
    hit: get("--hit"),
    bad: get("--vermillion"),
    shade: get("--shade"),
    terms: TERM_COLOURS.map(get),
    termInk: get("--term-ink"),
    groups: GROUPS.map((g) => get(g.colour)),
  };
}

const MARKS = {
  note: { icon: "\u2022", word: "note" },
  fault: { icon: "\u26a1", word: "fault" },
  down: { icon: "\u2716", word: "down" },
  up: { icon: "\u25b2", word: "up" },
  pause: { icon: "\u2016", word: "paused" },
  resume: { icon: "\u25b6", word: "resumed" },
  cut: { icon: "\u2702", word: "cut" },
  heal: { icon: "\u2194", word: "healed" },
  election: { icon: "?", word: "election" },
  leader: { icon: "\u2605", word: "leader" },
  alarm: { icon: "!", word: "alarm" },
  epoch: { icon: "\u2691", word: "epoch" },
};

// clock prints microseconds since the start as people read them.
function clock(micros, unit = 1) {
  const digits = unit >= 1e6 ? 0 : unit >= 1e5 ? 1 : unit >= 1e4 ? 2 : unit >= 1e3 ? 3 : unit >= 100 ? 4 : unit >= 10 ? 5 : 6;
  return (micros / 1e6).toFixed(digits) + " s";
}

const count = (n) => n.toLocaleString("en");
