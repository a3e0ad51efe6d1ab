"use strict";
const $ = (id) => document.getElementById(id);
const photos = [];
let shown = null; // the photo on the stage
let token = sessionStorage.getItem("token") || "";
const hidden = new Set(); // indices of the classes that are not drawn
let alone = null;
const view = { scale: 1, x: 0, y: 0 };
// Of one client's photos the server takes on a few at a time.
let mostInFlight = 3;

const say = (text) => { $("state").textContent = text; };
const seconds = (value) => value < 1.5 ? "1 second" : `${Math.round(value)} seconds`;
const sleep = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

// ---- The server

async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return fetch(path, { ...options, headers, cache: "no-store" });
}

async function reason(answer) {
  const problem = await answer.json().catch(() => null);
  return problem?.detail || problem?.title || `the server answered ${answer.status}`;
}

// Asks again where the server says when to.
async function askPatiently(photo, path, options) {
  for (;;) {
    const answer = await ask(path, { ...options, signal: photo.abort.signal });
    const wait = Number(answer.headers.get("Retry-After"));
    if (![429, 503].includes(answer.status) || !(wait > 0)) return answer;
    tell(photo, "waiting", `the server is busy: again in ${seconds(wait)}`);
    // Not all at the same moment.
    await sleep(wait * 1000 * (1 + Math.random() / 5), photo.abort.signal);
  }
}

async function parse(photo) {
  tell(photo, "sending", "sending");
  const sent = await askPatiently(photo, "v1/jobs?persons=true&masks=all", {
    method: "POST", body: photo.file,
    headers: { "Content-Type": photo.file.type || "application/octet-stream" },
  });
  if (sent.status === 401) {
    $("access").hidden = false;
    $("token").focus();
    throw new Error("the server wants a token");
  }
  if (sent.status !== 202) throw new Error(await reason(sent));
  let job = await sent.json();
  photo.job = job.id;
  while (job.state === "queued" || job.state === "running") {
    tell(photo, job.state, job.state === "running" ? "being parsed"
      : `waiting, number ${job.position ?? 1}` + (job.estimated_seconds ? `: about ${seconds(job.estimated_seconds)}` : ""));
    const answer = await ask(`v1/jobs/${job.id}?wait=10`, { signal: photo.abort.signal });
    if (!answer.ok) throw new Error(await reason(answer));
    job = await answer.json();
  }
  const answer = await ask(`v1/jobs/${job.id}/result?output=multipart`, { signal: photo.abort.signal });
  if (!answer.ok) throw new Error(await reason(answer));
  const parts = multipart(new Uint8Array(await answer.arrayBuffer()), answer.headers.get("Content-Type"));
  photo.job = null;
  await take(photo, parts);
}

// Parts of a multipart/mixed body: [{ name, type, bytes }].
function multipart(bytes, type) {
  const boundary = /boundary="?([^";]+)/.exec(type)[1];
  const mark = new TextEncoder().encode(`--${boundary}`);
  const find = (wanted, from) => {
    outer: for (let i = bytes.indexOf(wanted[0], from); i >= 0; i = bytes.indexOf(wanted[0], i + 1)) {
      for (let k = 1; k < wanted.length; k += 1) if (bytes[i + k] !== wanted[k]) continue outer;
      return i;
    }
    return -1;
  };
  const parts = [];
  const blank = [13, 10, 13, 10];
  const delimiter = [13, 10, ...mark];
  let at = find(mark, 0);
  while (at >= 0 && bytes[at + mark.length] !== 45) {
    const head = at + mark.length + 2;
    const start = find(blank, head) + 4;
    const text = new TextDecoder().decode(bytes.subarray(head, start));
    // Most parts say how long they are: nothing in a picture is taken for a delimiter.
    const length = /content-length: *(\d+)/i.exec(text);
    const end = length ? start + Number(length[1]) : find(delimiter, start);
    if (start < 4 || end < start) throw new Error("the answer is cut short");
    parts.push({
      name: /filename="([^"]*)"/i.exec(text)?.[1] || "file",
      type: /content-type: *([^\r;]+)/i.exec(text)?.[1] || "application/octet-stream",
      bytes: bytes.subarray(start, end),
    });
    at = find(delimiter, end) + 2;
    if (at < 2) throw new Error("the answer is cut short");
  }
  return parts;
}

// The pixel values of an indexed PNG: not read from a canvas, which knows colours only, and not always
// the very ones.
async function indices(bytes) {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [width, height, depth] = [0, 0, 8];
  const packed = [];
  const palette = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = data.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (name === "IHDR") [width, height, depth] = [data.getUint32(at + 8), data.getUint32(at + 12), body[8]];
    if (name === "PLTE") for (let i = 0; i < size; i += 3) palette.push([...body.subarray(i, i + 3)]);
    if (name === "IDAT") packed.push(body);
    at += size + 12;
  }
  const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const stride = Math.ceil(width * depth / 8);
  const values = new Uint8Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const start = y * (stride + 1);
    const row = rows.subarray(start + 1, start + 1 + stride);
    const filter = rows[start];
    for (let i = 0; filter && i < stride; i += 1) {
      const a = i ? row[i - 1] : 0;
      const b = above[i];
      const c = i ? above[i - 1] : 0;
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      row[i] += [0, a, b, (a + b) >> 1, pa <= pb && pa <= pc ? a : pb <= pc ? b : c][filter];
    }
    above = row;
    if (depth === 8) { values.set(row, y * width); continue; }
    for (let x = 0; x < width; x += 1) {
      const bit = x * depth;
      values[y * width + x] = (row[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return { width, height, values, palette };
}

// ---- Photos

function add(files) {
  const list = [...files];
  for (const file of list) {
    const photo = { file, name: file.name || "pasted.png", state: "new", text: "", abort: new AbortController(), url: URL.createObjectURL(file) };
    photos.push(photo);
    photo.row = row(photo);
    $("photos").append(photo.row);
    tell(photo, "new", "in line");
  }
  if (list.length) next();
}

function row(photo) {
  const item = document.createElement("li");
  const open = document.createElement("button");
  open.type = "button";
  open.className = "open";
  const picture = new Image();
  picture.alt = "";
  picture.src = photo.url;
  // A file that the browser cannot show: the server says what is wrong with it.
  picture.addEventListener("error", () => picture.removeAttribute("src"));
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = photo.name;
  const what = document.createElement("span");
  what.className = "what";
  open.append(picture, name, what);
  open.addEventListener("click", () => { if (photo.state === "done") show(photo); });
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "drop-it";
  drop.textContent = "×";
  drop.addEventListener("click", () => remove(photo));
  item.append(open, drop);
  return item;
}

function tell(photo, state, text) {
  photo.state = state;
  photo.text = text;
  photo.row.classList.toggle("failed", state === "failed");
  photo.row.querySelector(".what").textContent = text;
  const busy = !["done", "failed"].includes(state);
  photo.row.querySelector(".drop-it").setAttribute("aria-label", `${busy ? "Cancel" : "Remove"} ${photo.name}`);
  const done = photos.filter((other) => other.state === "done").length;
  const failed = photos.filter((other) => other.state === "failed").length;
  say(`${done} of ${photos.length} done${failed ? `, ${failed} failed` : ""}`);
  $("all").hidden = done < 2;
}

function remove(photo) {
  photo.abort.abort(new DOMException("cancelled", "AbortError"));
  if (photo.job) ask(`v1/jobs/${photo.job}`, { method: "DELETE", keepalive: true }).catch(() => {});
  URL.revokeObjectURL(photo.url);
  for (const url of photo.links || []) URL.revokeObjectURL(url);
  const at = photos.indexOf(photo);
  photos.splice(at, 1);
  photo.row.remove();
  if (shown === photo) {
    shown = null;
    const other = photos.slice(at).concat(photos.slice(0, at).reverse()).find((other) => other.state === "done");
    if (other) show(other); else $("out").hidden = true;
  }
  const target = photos[Math.min(at, photos.length - 1)]?.row.querySelector(".open") || $("choose");
  target.focus();
  say(photos.length ? `${photos.filter((other) => other.state === "done").length} of ${photos.length} done` : "");
  $("all").hidden = photos.filter((other) => other.state === "done").length < 2;
  next();
}

const isBusy = (photo) => !["new", "done", "failed"].includes(photo.state);

function next() {
  while (photos.filter(isBusy).length < mostInFlight) {
    const photo = photos.find((photo) => photo.state === "new");
    if (!photo) return;
    photo.state = "sending";
    parse(photo).catch((error) => {
      if (photo.abort.signal.aborted) return;
      tell(photo, "failed", error instanceof TypeError ? "the server cannot be reached" : error.message);
    }).finally(next);
  }
}

async function take(photo, parts) {
  const json = parts.find((part) => part.name.endsWith(".json"));
  const map = parts.find((part) => part.name.endsWith(".m2fp.png"));
  const persons = parts.find((part) => part.name.endsWith(".persons.png"));
  // The server calls each photo "photo": it is not told names.
  photo.stem = photo.name.replace(/\.[^.]*$/, "") || "photo";
  photo.files = parts.map((part) => ({ ...part, name: part.name.replace(/^[^/]*?\.m2fp/, `${photo.stem}.m2fp`) }));
  photo.found = JSON.parse(new TextDecoder().decode(json.bytes));
  photo.map = await indices(map.bytes);
  photo.persons = persons ? await indices(persons.bytes) : null;
  photo.links = [map, json].map((part) => URL.createObjectURL(new Blob([part.bytes], { type: part.type })));
  const image = new Image();
  image.src = photo.url;
  await image.decode();
  if (photo.abort.signal.aborted) return;
  photo.image = image;
  const people = photo.found.persons?.length ?? 0;
  tell(photo, "done", people === 1 ? "1 person" : `${people} persons`);
  if (!shown) show(photo);
}

// ---- The stage

const colours = (photo) => photo.found.options.palette.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function show(photo) {
  shown = photo;
  hidden.clear();
  alone = null;
  $("out").hidden = false;
  for (const other of photos) other.row.querySelector(".open").setAttribute("aria-current", String(other === photo));
  // Safari draws no more than 16.7 million pixels.
  const { width, height } = photo.map;
  photo.drawn = Math.min(1, 4096 / Math.max(width, height), Math.sqrt(16e6 / (width * height)));
  for (const canvas of [$("picture"), $("outline")]) {
    canvas.width = Math.max(1, Math.round(width * photo.drawn));
    canvas.height = Math.max(1, Math.round(height * photo.drawn));
  }
  const found = photo.found.classes.filter((share) => share.index > 0);
  const parts = found.map((share) => `${share.name} ${Math.round(share.share * 100)} %`).join(", ");
  $("stage").setAttribute("aria-label", `${photo.name}: ${photo.text}${parts ? `; ${parts}` : ""}`);
  [$("get-map").href, $("get-json").href] = photo.links;
  $("get-map").download = `${photo.stem}.m2fp.png`;
  $("get-json").download = `${photo.stem}.m2fp.json`;
  legend();
  fit();
  draw();
}

function legend() {
  const palette = shown.found.options.palette;
  const found = shown.found.classes.filter((share) => share.index > 0).sort((a, b) => b.pixels - a.pixels);
  shown.order = found.map((share) => share.index);
  $("legend").replaceChildren(...found.map((share, number) => {
    const item = document.createElement("li");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !hidden.has(share.index) && (alone === null || alone === share.index);
    box.setAttribute("aria-label", `Show ${share.name}`);
    box.dataset.index = share.index;
    box.addEventListener("change", () => toggle(share.index));
    const colour = document.createElement("i");
    colour.style.background = palette[share.index];
    const name = document.createElement("button");
    name.type = "button";
    name.setAttribute("aria-pressed", String(alone === share.index));
    name.title = "Show alone";
    name.textContent = share.name;
    name.addEventListener("click", () => only(share.index));
    const facts = document.createElement("small");
    const score = share.score == null ? "" : ` · ${share.score.toFixed(2)}`;
    facts.textContent = `${(share.share * 100).toFixed(1)} %${score}${number < 9 ? ` · ${number + 1}` : ""}`;
    item.append(box, colour, name, facts);
    return item;
  }));
}

// Builds the legend anew, with the focus where it was.
function refresh() {
  const focused = document.activeElement;
  const at = [...$("legend").querySelectorAll("input, button")].indexOf(focused);
  legend();
  if (at >= 0) $("legend").querySelectorAll("input, button")[at].focus();
  draw();
}

function toggle(index) {
  if (alone !== null) {
    for (const other of shown.order) if (other !== alone) hidden.add(other); else hidden.delete(other);
    alone = null;
  }
  if (!hidden.delete(index)) hidden.add(index);
  refresh();
}

function only(index) {
  alone = alone === index ? null : index;
  refresh();
}

const isDrawn = (index) => index > 0 && (alone === null ? !hidden.has(index) : alone === index);
const mode = () => document.querySelector("[name=mode]:checked").value;

function draw() {
  if (!shown) return;
  const canvas = $("picture");
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const layer = context.createImageData(width, height);
  const pixels = new Uint32Array(layer.data.buffer);
  const { map } = shown;
  const kind = mode();
  const source = kind === "persons" ? shown.persons : map;
  const rgba = ([r, g, b], alpha = 255) => (alpha << 24 | b << 16 | g << 8 | r) >>> 0;
  const palette = source ? (kind === "persons" ? source.palette : colours(shown)).map((colour) => rgba(colour)) : [];
  const drawn = Array.from({ length: 256 }, (_, index) => isDrawn(index));
  const columns = Uint32Array.from({ length: width }, (_, x) => Math.floor((x + .5) * map.width / width));
  for (let y = 0, at = 0; source && y < height; y += 1) {
    const line = Math.floor((y + .5) * map.height / height) * map.width;
    for (let x = 0; x < width; x += 1, at += 1) {
      const place = line + columns[x];
      if (!drawn[map.values[place]]) continue;
      const value = source.values[place];
      if (value) pixels[at] = palette[value];
    }
  }
  const colour = document.createElement("canvas");
  [colour.width, colour.height] = [width, height];
  colour.getContext("2d").putImageData(layer, 0, 0);
  context.clearRect(0, 0, width, height);
  const split = Math.round(width * $("split").value / 100);
  context.save();
  context.beginPath();
  context.rect(split, 0, width - split, height);
  context.clip();
  if (kind === "cutout") {
    context.drawImage(colour, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.drawImage(shown.image, 0, 0, width, height);
  } else {
    if (kind !== "map") context.drawImage(shown.image, 0, 0, width, height);
    else { context.fillStyle = `rgb(${colours(shown)[0]})`; context.fillRect(0, 0, width, height); }
    context.globalAlpha = kind === "map" ? 1 : $("opacity").value / 100;
    context.drawImage(colour, 0, 0);
  }
  context.restore();
  if (split) {
    context.drawImage(shown.image, 0, 0, shown.image.naturalWidth * split / width, shown.image.naturalHeight, 0, 0, split, height);
    context.fillStyle = "#fff";
    context.fillRect(split - 1, 0, 2, height);
  }
  $("opacity").disabled = !["overlay", "persons"].includes(kind);
}

function place() {
  for (const canvas of [$("picture"), $("outline")]) {
    canvas.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    canvas.style.imageRendering = view.scale > 2 ? "pixelated" : "auto";
  }
}

function fit() {
  const [{ width, height }, stage] = [$("picture"), $("stage")];
  view.scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  view.x = (stage.clientWidth - width * view.scale) / 2;
  view.y = (stage.clientHeight - height * view.scale) / 2;
  place();
}

function zoom(factor, x = $("stage").clientWidth / 2, y = $("stage").clientHeight / 2) {
  const scale = Math.min(32, Math.max(.02, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  place();
}

// The pixel of the map under a point of the stage; null beside it.
function pixel(event) {
  const box = $("stage").getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left - view.x) / view.scale / shown.drawn);
  const y = Math.floor((event.clientY - box.top - view.y) / view.scale / shown.drawn);
  const { width, height } = shown.map;
  return x >= 0 && y >= 0 && x < width && y < height ? y * width + x : null;
}

let outlined = 0;
function hover(event) {
  if (!shown) return;
  const at = event ? pixel(event) : null;
  const index = at === null ? 0 : shown.map.values[at];
  const person = at === null ? 0 : shown.persons?.values[at] ?? 0;
  const name = shown.found.labels?.names[index] ?? shown.found.classes.find((share) => share.index === index)?.name;
  $("under").textContent = at === null ? "" : person ? `${name}, person ${person}` : name;
  if (person !== outlined) outline(person);
}

function outline(person) {
  outlined = person;
  const canvas = $("outline");
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!person) return;
  const { width, height, values } = shown.persons;
  context.fillStyle = "#fff";
  const thick = Math.max(1, Math.round(2 / view.scale));
  const scale = canvas.width / width;
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      if (values[at] !== person) continue;
      const inside = x > 0 && x < width - 1 && y > 0 && y < height - 1 && values[at - 1] === person
        && values[at + 1] === person && values[at - width] === person && values[at + width] === person;
      if (!inside) context.fillRect(x * scale - thick / 2, y * scale - thick / 2, thick, thick);
    }
  }
}

// ---- Files

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? 0xEDB88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// A zip archive that stores: PNGs do not shrink.
function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    let crc = ~0;
    for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
    const path = new TextEncoder().encode(name);
    const head = new DataView(new ArrayBuffer(46));
    // Version 2.0, names in UTF-8, stored, 1980-01-01.
    const fields = (view, at) => {
      view.setUint16(at, 20, true);
      view.setUint16(at + 2, 0x800, true);
      view.setUint32(at + 6, 0x210000, true);
      view.setUint32(at + 10, ~crc >>> 0, true);
      view.setUint32(at + 14, bytes.length, true);
      view.setUint32(at + 18, bytes.length, true);
      view.setUint16(at + 22, path.length, true);
    };
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    fields(local, 4);
    head.setUint32(0, 0x02014b50, true);
    head.setUint16(4, 20, true);
    fields(head, 6);
    head.setUint32(42, offset, true);
    parts.push(local, path, bytes);
    directory.push(head, path);
    offset += 30 + path.length + bytes.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveAll() {
  const names = new Set();
  const files = photos.filter((photo) => photo.state === "done").flatMap((photo) => {
    let stem = photo.stem;
    for (let count = 2; names.has(stem); count += 1) stem = `${photo.stem}-${count}`;
    names.add(stem);
    return photo.files.map((file) => ({ name: stem + file.name.slice(photo.stem.length), bytes: file.bytes }));
  });
  save(zip(files), "m2fp.zip");
}

async function copyCurl() {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const words = ["curl", "--fail-with-body", "--data-binary", quoted(`@${shown.name}`),
    "-H", quoted(`Content-Type: ${shown.file.type || "application/octet-stream"}`)];
  if (token) words.push("-H", '"Authorization: Bearer $TOKEN"');
  words.push("-o", quoted(`${shown.stem}.m2fp.png`), quoted(new URL("v1/parse?output=map", location.href).href));
  await navigator.clipboard.writeText(words.join(" ")).then(() => say("copied"), () => say("the browser does not let this page copy"));
}

// ---- Events

function choose(event) {
  add(event.target.files);
  event.target.value = "";
}
$("choose").addEventListener("change", choose);
$("capture").addEventListener("change", choose);

for (const kind of ["dragover", "dragenter"]) {
  addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
}
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  const files = items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile());
  add(files.filter(Boolean));
  if (folders.length) say("Folders cannot be dropped: choose the photos in them.");
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) { event.preventDefault(); add(files); }
});
addEventListener("beforeunload", (event) => { if (photos.some(isBusy)) event.preventDefault(); });

$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("access").hidden = true;
  for (const photo of photos) if (photo.state === "failed" && !photo.files) tell(photo, "new", "in line");
  describe();
  next();
});

document.querySelectorAll("[name=mode]").forEach((radio) => radio.addEventListener("change", draw));
for (const id of ["opacity", "split"]) $(id).addEventListener("input", draw);
$("fit").addEventListener("click", fit);
$("in-zoom").addEventListener("click", () => zoom(1.4));
$("out-zoom").addEventListener("click", () => zoom(1 / 1.4));
$("get-zip").addEventListener("click", () => save(zip(shown.files), `${shown.stem}.m2fp.zip`));
$("all").addEventListener("click", saveAll);
$("curl").addEventListener("click", copyCurl);
$("help").addEventListener("click", () => $("keys").showModal());
addEventListener("resize", () => { if (shown) fit(); });

const stage = $("stage");
const fingers = new Map();
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
stage.addEventListener("pointerdown", (event) => {
  fingers.set(event.pointerId, event);
  stage.setPointerCapture(event.pointerId);
  hover(event);
});
stage.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return hover(event);
  const [other] = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
  fingers.set(event.pointerId, event);
  if (other) {
    const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
    const box = stage.getBoundingClientRect();
    zoom(distance(event, other) / distance(before, other),
      (event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top);
  } else {
    view.x += event.clientX - before.clientX;
    view.y += event.clientY - before.clientY;
    place();
  }
});
for (const kind of ["pointerup", "pointercancel"]) {
  stage.addEventListener(kind, (event) => fingers.delete(event.pointerId));
}
stage.addEventListener("pointerleave", () => hover(null));

function step(by) {
  const done = photos.filter((photo) => photo.state === "done");
  const at = done.indexOf(shown) + by;
  if (done[at]) show(done[at]);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  if (event.target.matches("input:not([type=checkbox])")) return;
  if (event.key === "?") return $("keys").showModal();
  if (!shown) return;
  const move = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
  if (event.shiftKey && move && event.target === stage) {
    view.x += move[0];
    view.y += move[1];
    place();
    return event.preventDefault();
  }
  const modes = { o: "overlay", m: "map", p: "persons", c: "cutout" };
  if (modes[event.key]) {
    document.querySelector(`[value=${modes[event.key]}]`).checked = true;
    return draw();
  }
  if (/^[1-9]$/.test(event.key)) {
    const index = shown.order[Number(event.key) - 1];
    return index === undefined ? undefined : toggle(index);
  }
  switch (event.key) {
    case "b": $("split").value = Number($("split").value) > 50 ? 0 : 100; return draw();
    case "+": case "=": return zoom(1.4);
    case "-": return zoom(1 / 1.4);
    case "0": return fit();
    case "ArrowLeft": return step(-1);
    case "ArrowRight": return step(1);
    case "d": return $("get-map").click();
  }
});

const themes = ["auto", "light", "dark"];
function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = `Theme: ${name}`;
  localStorage.setItem("theme", name);
}
theme(themes.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
$("theme").addEventListener("click", () => theme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3]));

async function describe() {
  const answer = await ask("v1/model").catch(() => null);
  if (answer?.status === 401) $("access").hidden = false;
  if (!answer?.ok) return;
  const model = await answer.json();
  $("model").textContent = model.name ?? "";
  // 0 for no limit.
  mostInFlight = Math.min(8, model.limits?.per_client || 8);
}
describe();
