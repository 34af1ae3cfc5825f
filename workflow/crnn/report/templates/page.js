// What the page does besides being read: tables that sort and filter, audit steps that open, the word explorer.
// Everything is in the document already: words and pictures as JSON, pictures parsed when the first is shown and
// decoded when they come into view. Texts become text nodes and never markup.
"use strict";
(() => {
  const CARDS = 24; // words added at a time
  const PAIRS = 60; // confusions offered
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("words-data").textContent);
  let pictures = null;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const number = (value) => value.toLocaleString("en");
  const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  const sure = (value) => (value === null ? "" : value.toFixed(3));

  // --- words -------------------------------------------------------------------------------------------------

  // Code points of `text`, those at `places` marked.
  function marked(text, places) {
    if (text === "") return element("span", { class: "text empty" }, "empty");
    const shown = element("bdi", { class: "text", dir: "auto" });
    for (const [place, character] of Array.from(text).entries()) {
      const last = shown.lastChild, inside = places.has(place);
      if (last && (last.nodeName === "MARK") === inside) last.textContent += character;
      else shown.append(inside ? element("mark", {}, character) : character);
    }
    return shown;
  }

  // The places that edits touch in the one text (side 0) or the other (side 1). An edit is three numbers.
  const touched = (edits, side) => new Set(edits.filter((place, at) => at % 3 === side && place >= 0));

  function picture(dataset, word) {
    pictures ??= JSON.parse($("pictures-data").textContent);
    const stored = pictures[dataset][word];
    const index = data[dataset].words.index[word];
    const shown = stored
      ? element("img", { src: `data:image/webp;base64,${stored}`, alt: `word ${index}`, loading: "lazy", decoding: "async" })
      : element("span", { class: "nopicture" }, stored === null ? "beyond the page's limit" : "image cannot be decoded");
    return element("div", { class: "picture" }, shown);
  }

  const row = (term, text, confidence) => [
    element("dt", {}, term), element("dd", {}, text), element("dd", { class: "sure" }, sure(confidence))];

  function card(dataset, word, rows, tag) {
    const { name, words } = data[dataset], index = words.index[word];
    const link = element("a", { href: `#word=${encodeURIComponent(name)}/${index}` }, `word ${index}`);
    return element("li", {}, picture(dataset, word), element("dl", {}, ...rows.flat()), element("p", { class: "where" }, link, tag));
  }

  // A list of cards that grows on demand; each entry of `items` is drawn by `draw` when its turn comes.
  function listing(place, items, draw) {
    const list = element("ul", { class: "words" });
    const more = element("button", { type: "button", class: "more" });
    let shown = 0;
    const grow = (count) => {
      const next = items.slice(shown, shown + count).map(draw);
      list.append(...next);
      shown += next.length;
      more.hidden = shown === items.length;
      const left = items.length - shown;
      more.textContent = left > 2 * CARDS ? `Show ${2 * CARDS} more of ${number(left)}` : `Show the other ${left}`;
      return next;
    };
    more.addEventListener("click", () => grow(2 * CARDS)[0]?.querySelector("a")?.focus({ preventScroll: true }));
    grow(CARDS);
    place.replaceChildren(list, more);
  }

  const entriesOf = ({ word }) => [...word.keys()];
  const byConfidence = (readings) => (one, other) =>
    (readings.confidence[other] ?? -1) - (readings.confidence[one] ?? -1) || readings.word[one] - readings.word[other];

  // Entries of one text stand together, the text once: runs that read alike may be sure of it in different degrees.
  function wrongCard(dataset, word, entries, naming) {
    const { readings, readers, words } = data[dataset];
    const alike = Map.groupBy(entries, (entry) => readings.text[entry]);
    const by = (entry) => {
      const names = readings.readers[entry].map((each) => readers[each]).filter((each) => !each.reference);
      return naming ? element("small", { class: "by" }, names.map((each) => each.name).join(", ")) : null;
    };
    const only = alike.size === 1 ? touched(readings.edits[entries[0]], 0) : new Set();
    const rows = [row("label", marked(words.label[word], only), null)];
    for (const [text, [first, ...others]] of alike) {
      const shown = element("div", {}, marked(text, touched(readings.edits[first], 1)), by(first));
      rows.push(row("read", shown, readings.confidence[first]));
      for (const entry of others) {
        rows.push([element("dd", { class: "again" }, by(entry)), element("dd", { class: "sure" }, sure(readings.confidence[entry]))]);
      }
    }
    return card(dataset, word, rows, null);
  }

  const TONES = { gained: "good", lost: "bad" };
  function flipCard(dataset, step, entry) {
    const { words, steps } = data[dataset], flips = steps[step];
    const edits = flips.edits[entry], word = flips.word[entry];
    return card(dataset, word, [
      row("label", marked(words.label[word], new Set()), null),
      row(flips.from, marked(flips.before[entry], touched(edits, 0)), flips.was[entry]),
      row(flips.to, marked(flips.after[entry], touched(edits, 1)), flips.is[entry]),
    ], element("span", { class: `tag ${TONES[flips.kind[entry]] ?? ""}` }, flips.kind[entry]));
  }

  // --- tables ------------------------------------------------------------------------------------------------

  function sortBy(heading) {
    const column = [...heading.parentElement.children].indexOf(heading);
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = heading.closest("table").tBodies[0];
    const value = (line) => line.cells[column]?.dataset.value ?? "";
    const numeric = heading.classList.contains("n");
    const compare = (one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === "" || b === "") return (a === "") - (b === ""); // what was not measured stands last either way
      return (numeric ? a - b : a.localeCompare(b, "en", { numeric: true })) * (ascending ? 1 : -1);
    };
    body.append(...[...body.rows].sort(compare));
  }

  for (const button of document.querySelectorAll(".sortable thead button")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }

  for (const input of document.querySelectorAll("input[data-filters]")) {
    const rows = [...$(input.dataset.filters).tBodies].flatMap((body) => [...body.rows]);
    input.addEventListener("input", () => {
      const asked = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const line of rows) {
        const text = line.textContent.toLowerCase();
        line.hidden = !asked.every((word) => text.includes(word));
      }
      input.closest(".filter").querySelector("output").textContent = `${rows.filter((line) => !line.hidden).length} of ${plural(rows.length, "row")}`;
    });
  }

  // --- audit -------------------------------------------------------------------------------------------------

  function openEdge(button) {
    const panel = $(button.getAttribute("aria-controls"));
    const opening = button.getAttribute("aria-expanded") === "false";
    for (const other of document.querySelectorAll(`[aria-controls="${panel.id}"]`)) other.setAttribute("aria-expanded", "false");
    panel.hidden = !opening;
    if (!opening) return;
    button.setAttribute("aria-expanded", "true");
    const { dataset, step, reader, title } = button.dataset, { readings, steps } = data[dataset];
    const entries = step ? entriesOf(steps[step])
      : entriesOf(readings).filter((entry) => readings.readers[entry].includes(Number(reader))).sort(byConfidence(readings));
    const place = element("div"), held = entries.length, total = Number(button.dataset.total);
    listing(place, entries, (entry) => step ? flipCard(dataset, step, entry) : wrongCard(dataset, readings.word[entry], [entry], false));
    const cut = held < total ? [element("p", { class: "note" }, `${number(held)} of ${plural(total, "word")} are on this page; all are in the tables beside it.`)] : [];
    panel.replaceChildren(element("h4", {}, title), ...cut, place);
  }

  for (const button of document.querySelectorAll("button.edge")) button.addEventListener("click", () => openEdge(button));
  document.querySelector("button.edge[data-step]")?.click();

  // --- explorer ----------------------------------------------------------------------------------------------

  const nothing = (character) => character || "nothing";
  function kindsOf([label, read]) {
    const kind = label.toLowerCase() === read.toLowerCase() ? "case" : "substitution";
    const only = label === "" ? "insertion" : read === "" ? "deletion" : kind;
    return /\d/.test(label + read) ? [only, "digit"] : [only];
  }

  const form = $("explorer");
  const fields = form.elements;
  const kinds = data.map(({ pairs }) => pairs.map(kindsOf));
  const lengths = data.map(({ words }) => words.label.map((label) => Array.from(label).length));

  function options(select, entries, chosen) {
    select.replaceChildren(...entries.map(([value, text]) => element("option", { value }, text)));
    select.value = entries.some(([value]) => value === chosen) ? chosen : entries[0][0];
  }

  function offerReaders() {
    const names = data[fields.dataset.value].readers.map(({ name, reference }, place) => [String(place), name, reference]);
    options(fields.reader, [["", "any"], ...names.filter(([, , reference]) => !reference)], "");
  }

  // Entries of the readings that pass every filter but the one for pairs.
  function asked(dataset) {
    const { readings, words, readers } = data[dataset];
    const reader = fields.reader.value === "" ? null : Number(fields.reader.value);
    const [least, most] = [Number(fields.least.value || 0), Number(fields.most.value || Infinity)];
    const kind = fields.kind.value, text = fields.text.value.trim().toLowerCase();
    return entriesOf(readings).filter((entry) => {
      const word = readings.word[entry], by = readings.readers[entry], length = lengths[dataset][word];
      return (reader === null ? by.some((each) => !readers[each].reference) : by.includes(reader))
        && length >= least && length <= most
        && (!kind || readings.edits[entry].some((pair, at) => at % 3 === 2 && kinds[dataset][pair].includes(kind)))
        && (!text || words.label[word].toLowerCase().includes(text) || readings.text[entry].toLowerCase().includes(text));
    });
  }

  const pairsOf = (edits) => new Set(edits.filter((_, at) => at % 3 === 2));

  function offerPairs(dataset, entries) {
    const { readings, pairs } = data[dataset];
    const counted = new Map();
    for (const entry of entries) {
      for (const pair of pairsOf(readings.edits[entry])) counted.set(pair, (counted.get(pair) ?? new Set()).add(readings.word[entry]));
    }
    const common = [...counted].map(([pair, words]) => [pair, words.size]).sort((one, other) => other[1] - one[1] || one[0] - other[0]).slice(0, PAIRS);
    options(fields.pair, [["", "any"], ...common.map(([pair, count]) =>
      [String(pair), `${nothing(pairs[pair][0])} → ${nothing(pairs[pair][1])} (${number(count)})`])], fields.pair.value);
  }

  const ORDERS = {
    confidence: () => () => 0, // as they come
    index: (words) => (one, other) => words.index[one[0]] - words.index[other[0]],
    length: (words) => (one, other) => words.label[one[0]].length - words.label[other[0]].length,
  };

  function explore() {
    const dataset = fields.dataset.value, { readings, words, total } = data[dataset];
    let entries = asked(dataset);
    offerPairs(dataset, entries);
    const pair = fields.pair.value;
    if (pair !== "") entries = entries.filter((entry) => pairsOf(readings.edits[entry]).has(Number(pair)));
    const found = Map.groupBy(entries.sort(byConfidence(readings)), (entry) => readings.word[entry]);
    const items = [...found].sort(ORDERS[fields.order.value](words));
    const held = words.index.length;
    $("explored").textContent = `${plural(items.length, "word")}${held < total ? ` of the ${number(held)} on this page; ${number(total)} were misread or changed in all` : ""}.`;
    listing($("explorer-words"), items, ([word, by]) => wrongCard(dataset, word, by, fields.reader.value === ""));
  }

  options(fields.dataset, data.map(({ name }, place) => [String(place), name]), "0");
  fields.dataset.closest("label").hidden = data.length === 1;
  offerReaders();
  fields.dataset.addEventListener("change", offerReaders);
  form.addEventListener("input", explore);
  form.addEventListener("reset", () => setTimeout(() => { offerReaders(); explore(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  explore();

  // --- one word ----------------------------------------------------------------------------------------------

  const view = $("word-view");

  function facts(dataset, word) {
    const { readings, readers, steps, words } = data[dataset];
    const wrong = entriesOf(readings).filter((entry) => readings.word[entry] === word);
    const rows = words.unscorable.includes(word) ? [] : readers.map(({ name, reference }, reader) => {
      const entry = wrong.find((each) => readings.readers[each].includes(reader));
      const term = reference ? `${name} (reference)` : name;
      if (entry === undefined) return row(term, element("span", { class: "good" }, "✓ right"), null);
      return row(term, marked(readings.text[entry], touched(readings.edits[entry], 1)), readings.confidence[entry]);
    });
    const changes = steps.flatMap(({ word: changed }, step) =>
      changed.includes(word) ? [flipCard(dataset, step, changed.indexOf(word))] : []);
    const known = element("dl", {}, ...row("label", marked(words.label[word], new Set()), null), ...rows.flat());
    const told = [element("h3", {}, "Steps that changed it"), element("ul", { class: "words" }, ...changes)];
    return [picture(dataset, word), known, ...changes.length ? told : []];
  }

  function follow() {
    const [, name, index] = /^#word=(.*)\/(\d+)$/.exec(location.hash) ?? [];
    if (name === undefined) return view.open && view.close();
    const dataset = data.findIndex((each) => encodeURIComponent(each.name) === name);
    const word = dataset < 0 ? -1 : data[dataset].words.index.indexOf(Number(index));
    $("word-title").textContent = `Word ${index} of ${data[dataset]?.name ?? name}`;
    const absent = element("p", {}, "This word is not on the page: every deployment read it right, or the page's limit left it out.");
    $("word-facts").replaceChildren(...(word < 0 ? [absent] : facts(dataset, word)));
    if (!view.open) view.showModal();
  }

  const forget = () => history.replaceState(null, "", location.href.split("#")[0]);
  view.addEventListener("close", forget); // by the Escape key; it comes with the next frame
  view.querySelector("button").addEventListener("click", () => {
    view.close();
    forget();
  });
  addEventListener("hashchange", follow);
  follow();

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
