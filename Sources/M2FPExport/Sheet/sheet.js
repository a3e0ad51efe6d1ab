"use strict";
const { classes, photos } = JSON.parse(
  document.querySelector("script[type='application/json']").textContent);
const main = document.querySelector("main");
const [find, show, sort, view] =
  ["find", "show", "sort", "view"].map((id) => document.getElementById(id));
const count = document.querySelector("[role='status']");
const pages = document.querySelector("nav");
const page = pages.querySelector("input");
const zoom = document.querySelector("dialog");
const failures = photos.filter((photo) => "failure" in photo).length;
// Cards that are made at a time.
const pageSize = 100;
const titles = { photo: "Photo", map: "Colour map", overlay: "Overlay", persons: "Persons" };
let shown = photos;

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function swatch(index) {
  const element = make("i");
  element.style.background = classes[index].colour;
  return element;
}

// The classes, the background first, in the form.
for (const [index, { name }] of classes.entries()) {
  if (index === 0) continue;
  show.append(make("option", { value: index }, `with ${name}`));
  sort.querySelector("optgroup").append(make("option", { value: index }, name));
  const button = make("button", { type: "button", value: index }, swatch(index), name);
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    showClasses();
  });
  document.querySelector(".legend").append(button);
}

// Maps are grey, a level a class. A filter gives them their colours, and takes out the background and the
// classes that are hidden: of pictures that lie beside a page on a disk a script may read nothing.
function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function table(channel, values) {
  return svg(`feFunc${channel}`, { type: "discrete", tableValues: values.join(" ") });
}

function channel(number) {
  return classes.map(({ colour }) =>
    parseInt(colour.slice(1 + 2 * number, 3 + 2 * number), 16) / 255);
}

const visible = table("A", []);
document.querySelector("svg").append(
  svg("filter", { id: "classes", "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1 },
    svg("feComponentTransfer", { in: "SourceGraphic", result: "colours" },
      ...["R", "G", "B"].map((name, number) => table(name, channel(number)))),
    svg("feColorMatrix", {
      in: "SourceGraphic", values: "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0",
    }),
    svg("feComponentTransfer", { result: "visible" }, visible),
    svg("feComposite", { in: "colours", in2: "visible", operator: "in" })));

function showClasses() {
  const pressed = [...document.querySelectorAll(".legend [aria-pressed='true']")];
  const shownClasses = new Set(pressed.map((button) => Number(button.value)));
  visible.setAttribute("tableValues",
    classes.map((_, index) => (shownClasses.has(index) ? 1 : 0)).join(" "));
}

showClasses();

function share(photo, index) {
  return photo.shares?.find((share) => share.index === index)?.share ?? 0;
}

function found(photo) {
  return (photo.shares ?? []).reduce((sum, { share }) => sum + share, 0);
}

function isWanted(photo) {
  if (!photo.name.toLowerCase().includes(find.value.toLowerCase())) return false;
  switch (show.value) {
    case "all": return true;
    case "failed": return "failure" in photo;
    case "nobody": return photo.shares?.length === 0;
    default: return share(photo, Number(show.value)) > 0;
  }
}

function key(photo) {
  switch (sort.value) {
    case "persons": return photo.persons ?? -1;
    case "score": return -(photo.score ?? 2);
    case "found": return found(photo);
    default: return share(photo, Number(sort.value));
  }
}

function picture(photo, name) {
  const layers = {
    photo: [["photo", photo.photo]],
    map: [["map", photo.map]],
    overlay: [["photo", photo.photo], ["map", photo.map]],
    persons: [["photo", photo.photo], ["persons", photo.personMap]],
  }[name];
  return make("span", { className: name, title: titles[name] },
    ...layers.filter(([, src]) => src).map(([className, src], index) =>
      make("img", {
        className, loading: "lazy", decoding: "async",
        alt: index === 0 ? `${titles[name]}: ${photo.name}` : "", src,
      })));
}

function views(photo, names, action) {
  const button = make("button", { type: "button", className: "views" },
    ...names.map((name) => picture(photo, name)));
  button.addEventListener("click", action);
  return button;
}

function facts(photo) {
  const parts = [`${photo.width} × ${photo.height}`];
  if ("persons" in photo) parts.push(photo.persons === 1 ? "1 person" : `${photo.persons} persons`);
  if (photo.shares.length === 0) parts.push("nobody found");
  const links = photo.outputs.map((name) =>
    make("a", { href: photo.front + encodeURIComponent(name) }, name.slice(1)));
  return make("p", { className: "facts" },
    ...[...parts, ...links].flatMap((part, index) => (index > 0 ? [" · ", part] : [part])));
}

function percent(share) {
  return share < 0.0005 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}

function title(photo) {
  return make("h2", {},
    "address" in photo ? make("a", { href: photo.address }, photo.name) : photo.name);
}

function card(photo) {
  if ("failure" in photo) {
    return make("article", { className: "failed" }, title(photo),
      make("p", { className: "facts" }, `failed (${photo.stage})`), make("p", {}, photo.failure));
  }
  const bar = make("div", { className: "bar", ariaHidden: "true" },
    ...photo.shares.map(({ index, share }) => {
      const part = swatch(index);
      part.style.flex = share / found(photo);
      return part;
    }));
  const list = [...photo.shares].sort((a, b) => b.share - a.share).map(({ index, share }) =>
    make("li", {}, swatch(index), `${classes[index].name} `, make("b", {}, percent(share))));
  return make("article", {}, title(photo), facts(photo),
    views(photo, view.value ? [view.value] : ["photo", "map", "overlay"], () => zoomTo(photo)),
    bar, make("ul", {}, ...list));
}

// Shows a page, from 1.
function turnTo(number) {
  const last = Math.max(1, Math.ceil(shown.length / pageSize));
  const current = Math.min(Math.max(1, Math.trunc(number) || 1), last);
  page.value = current;
  page.max = last;
  pages.hidden = last === 1;
  for (const button of pages.querySelectorAll("button")) {
    const next = current + Number(button.value);
    button.disabled = next < 1 || next > last;
  }
  const end = current * pageSize;
  main.replaceChildren(...shown.slice(end - pageSize, end).map(card));
  const all = `${photos.length} photos` + (failures > 0 ? `, ${failures} failed` : "");
  count.textContent = (shown.length === photos.length ? all : `${shown.length} of ${all}`)
    + (last > 1 ? `; page ${current} of ${last}` : "");
}

function update() {
  shown = photos.filter(isWanted);
  // The order of the page is that of the names; the sort is stable.
  if (sort.value !== "name") shown.sort((a, b) => key(b) - key(a));
  turnTo(1);
}

for (const control of [show, sort, view]) control.addEventListener("change", update);
find.addEventListener("input", update);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
page.addEventListener("change", () => turnTo(page.valueAsNumber));
pages.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  turnTo(page.valueAsNumber + Number(button.value));
  scrollTo({ top: 0 });
});

// One photo, as large as the window; arrows go on to the next.
let zoomed;

function zoomTo(photo) {
  zoomed = photo;
  const names = view.value ? [view.value]
    : ["photo", "map", "overlay", ...(photo.personMap ? ["persons"] : [])];
  zoom.replaceChildren(title(photo), views(photo, names, () => zoom.close()));
  if (!zoom.open) zoom.showModal();
}

zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
zoom.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const others = shown.filter((photo) => photo === zoomed || !("failure" in photo));
  const next = others[others.indexOf(zoomed) + step];
  if (next) zoomTo(next);
});

// A browser may have kept what was chosen before the page was loaded again.
update();
