"use strict";
const main = document.querySelector("main");
const cards = [...main.children];
const [show, sort, view] = ["show", "sort", "view"].map((id) => document.getElementById(id));
const failures = cards.filter((card) => card.classList.contains("failed")).length;
const count = document.querySelector(".count");

// "2:0.113 5:0.04": the share of all pixels for each class.
for (const card of cards) {
  card.shares = new Map((card.dataset.shares || "").split(" ").filter(Boolean).map((pair) => {
    const [index, share] = pair.split(":");
    return [index, Number(share)];
  }));
}

function wanted(card) {
  switch (show.value) {
    case "all": return true;
    case "failed": return card.classList.contains("failed");
    case "nobody": return !card.classList.contains("failed") && card.shares.size === 0;
    default: return card.shares.has(show.value);
  }
}

function key(card) {
  if (sort.value === "persons") return Number(card.dataset.persons || -1);
  if (sort.value === "found") return [...card.shares.values()].reduce((sum, share) => sum + share, 0);
  return card.shares.get(sort.value) || 0;
}

function update() {
  let shown = 0;
  for (const card of cards) {
    card.hidden = !wanted(card);
    if (!card.hidden) shown += 1;
  }
  // The order of the page is that of the names; the sort is stable.
  const order = sort.value === "name" ? cards : [...cards].sort((a, b) => key(b) - key(a));
  main.append(...order);
  main.dataset.view = view.value;
  const all = `${cards.length} photos` + (failures > 0 ? `, ${failures} failed` : "");
  count.textContent = shown === cards.length ? all : `${shown} of ${all}`;
}

for (const control of [show, sort, view]) control.addEventListener("change", update);
// A browser may have kept what was chosen before the page was loaded again.
update();
