"use strict";
const main = document.querySelector("main");
const cards = [...main.children];
const [find, show, sort, view] =
  ["find", "show", "sort", "view"].map((id) => document.getElementById(id));
const failures = cards.filter((card) => card.classList.contains("failed")).length;
const count = document.querySelector(".count");
const legend = [...document.querySelectorAll(".legend button")];
const zoom = document.querySelector("dialog");
let shown = cards;

for (const card of cards) {
  // "2:0.113 5:0.04": the share of all pixels for each class.
  card.shares = new Map((card.dataset.shares || "").split(" ").filter(Boolean).map((pair) => {
    const [index, share] = pair.split(":");
    return [index, Number(share)];
  }));
  card.name = card.querySelector("h2").textContent.toLowerCase();
  card.views = card.querySelector(".views");
  card.map = card.views?.style.getPropertyValue("--map");
}

function wanted(card) {
  if (!card.name.includes(find.value.toLowerCase())) return false;
  switch (show.value) {
    case "all": return true;
    case "failed": return card.classList.contains("failed");
    case "nobody": return !card.classList.contains("failed") && card.shares.size === 0;
    default: return card.shares.has(show.value);
  }
}

function key(card) {
  if (sort.value === "persons") return Number(card.dataset.persons || -1);
  if (sort.value === "score") return -Number(card.dataset.score || 2);
  if (sort.value === "found") return [...card.shares.values()].reduce((sum, share) => sum + share, 0);
  return card.shares.get(sort.value) || 0;
}

function update() {
  // The order of the page is that of the names; the sort is stable.
  const order = sort.value === "name" ? cards : [...cards].sort((a, b) => key(b) - key(a));
  for (const card of cards) card.hidden = !wanted(card);
  shown = order.filter((card) => !card.hidden);
  main.append(...order);
  main.dataset.view = view.value;
  const all = `${cards.length} photos` + (failures > 0 ? `, ${failures} failed` : "");
  count.textContent = shown.length === cards.length ? all : `${shown.length} of ${all}`;
}

// Classes that are hidden become transparent in the maps' palettes: a PNG's chunk tRNS, made anew with
// its checksum.
const crcs = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length);
  const numbers = new DataView(bytes.buffer);
  numbers.setUint32(0, data.length);
  bytes.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, 8 + data.length)) crc = crcs[(crc ^ byte) & 255] ^ (crc >>> 8);
  numbers.setUint32(8 + data.length, ~crc >>> 0);
  return bytes;
}

function withHidden(map, hidden) {
  const [, front, text] = map.match(/^(url\(.*;base64,)(.*)\)$/);
  const png = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const numbers = new DataView(png.buffer);
  const parts = [png.subarray(0, 8)];
  for (let start = 8; start < png.length;) {
    const end = start + 12 + numbers.getUint32(start);
    const type = String.fromCharCode(...png.subarray(start + 4, start + 8));
    if (type === "tRNS") {
      const alphas = new Uint8Array(legend.length + 1).fill(255);
      for (const index of [0, ...hidden]) alphas[index] = 0;
      parts.push(chunk(type, alphas));
    } else {
      parts.push(png.subarray(start, end));
    }
    start = end;
  }
  const bytes = parts.flatMap((part) => [...part]);
  let binary = "";
  for (let start = 0; start < bytes.length; start += 4096) {
    binary += String.fromCharCode(...bytes.slice(start, start + 4096));
  }
  return `${front}${btoa(binary)})`;
}

let hidden = [];

function hideClasses(card) {
  const wanted = hidden.join();
  if (!card.map || (card.hiddenNow || "") === wanted) return;
  card.hiddenNow = wanted;
  card.views.style.setProperty("--map", wanted ? withHidden(card.map, hidden) : card.map);
}

// Maps that nobody sees are not made.
const visible = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      visible.add(target);
      hideClasses(target);
    } else {
      visible.delete(target);
    }
  }
}, { rootMargin: "200px" });
for (const card of cards) observer.observe(card);

for (const button of legend) {
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    hidden = legend.filter((other) => other.getAttribute("aria-pressed") !== "true")
      .map((other) => Number(other.value));
    for (const card of visible) hideClasses(card);
  });
}

// One photo, as large as the window; arrows go on to the next.
let zoomed;

function zoomTo(card) {
  if (!card?.views) return;
  zoomed = card;
  hideClasses(card);
  zoom.replaceChildren(...[card.querySelector("h2"), card.views].map((part) => part.cloneNode(true)));
  zoom.dataset.view = view.value;
  if (!zoom.open) zoom.showModal();
}

main.addEventListener("click", (event) => {
  if (event.target.closest(".views")) zoomTo(event.target.closest("article"));
});
zoom.addEventListener("click", (event) => { if (!event.target.closest("a")) zoom.close(); });
zoom.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) zoomTo(shown[shown.indexOf(zoomed) + step]);
});

for (const control of [show, sort, view]) control.addEventListener("change", update);
find.addEventListener("input", update);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
// A browser may have kept what was chosen before the page was loaded again.
update();
