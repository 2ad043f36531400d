// data.js: unpacks what encode.go packed.

// unpack returns the header, with the columns in header.steps and
// header.messages as arrays of numbers, and the texts.
async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const data = {
    ...header,
    S: { count: header.steps },
    M: { count: header.messages },
  };
  let at = 4 + length;
  for (const column of header.columns) {
    const of = column.of === "steps" ? data.S : data.M;
    const lanes = column.by_lane ? data.S.lane : null;
    [of[column.name], at] = numbers(bytes, at, of.count, lanes, header.nodes.length);
    // Lanes, steps and messages come plus 1.
    if (["lane", "from", "to", "sent", "got", "lead", "vote", "primary"].includes(column.name)) {
      const list = of[column.name];
      for (let i = 0; i < list.length; i++) list[i]--;
    }
  }
  for (const m of data.marks) {
    m.lane--;
    m.step--;
  }
  data.texts = new TextDecoder().decode(bytes.subarray(at)).split("\n");
  return data;
}

// numbers reads one column: zigzag varints, each the difference to the value
// before it in the whole column, or in the same lane.
function numbers(bytes, at, count, lanes, laneCount) {
  const out = new Float64Array(count);
  const before = new Float64Array(laneCount + 1);
  for (let i = 0; i < count; i++) {
    let b = bytes[at++];
    let v = b & 127;
    for (let unit = 128; b > 127; unit *= 128) {
      b = bytes[at++];
      v += (b & 127) * unit;
    }
    const lane = lanes ? lanes[i] : 0;
    before[lane] += v % 2 ? -(v + 1) / 2 : v / 2;
    out[i] = before[lane];
  }
  return [out, at];
}
