// SPDX-License-Identifier: BSD-2-Clause
"use strict";
(() => {
    const form = document.getElementById("filter"), field = document.getElementById("q");
    const chips = [...form.querySelectorAll("input[type=checkbox]")], button = document.getElementById("theme");
    const sections = [...document.querySelectorAll(".deployment")];
    const chosen = kind => chips.filter(chip => chip.name === kind && chip.checked).map(chip => chip.value);
    const fold = element => element.textContent.toLowerCase();

    // Shows the findings that fit, and of the rest of a deployment what has to do with them.
    const filter = () => {
        const text = field.value.trim().toLowerCase(), verdicts = chosen("v"), classes = chosen("c");
        const idle = !text && !verdicts.length && !classes.length;
        let shown = 0, all = 0;

        for (const section of sections) {
            const left = new Set();

            for (const item of section.querySelectorAll("[data-n]")) {
                const fits = (!verdicts.length || verdicts.includes(item.dataset.v)) &&
                    (!classes.length || classes.includes(item.dataset.c)) && fold(item).includes(text);

                item.hidden = !fits;
                all++;
                if (fits) {
                    shown++;
                    left.add(item.dataset.n);
                }
            }
            for (const table of section.querySelectorAll("table"))
                table.hidden = table.previousElementSibling.hidden = !table.querySelector("tbody tr:not([hidden])");
            section.hidden = !idle && !left.size && sections.length > 1;

            const concerns = element => (element.dataset.f || "").split(" ").some(number => left.has(number));
            for (const element of section.querySelectorAll(".graph [data-f]"))
                element.classList.toggle("dim", !idle && !concerns(element));
            for (const lane of section.querySelectorAll(".timeline li"))
                lane.hidden = !idle && !concerns(lane);
            const rows = [...section.querySelectorAll(".tree li")].reverse(); // children before parents
            for (const row of rows) {
                const own = concerns(row) || (text && !verdicts.length && !classes.length &&
                    fold(row.firstElementChild).includes(text));

                row.hidden = !idle && !own && !row.querySelector("li:not([hidden])");
            }
        }
        document.getElementById("shown").textContent = idle ? "" : shown + " of " + all + " shown";
    };

    const remember = () => {
        const state = new URLSearchParams();

        if (field.value)
            state.set("q", field.value);
        for (const kind of ["v", "c"])
            if (chosen(kind).length)
                state.set(kind, chosen(kind).join(","));
        try {
            history.replaceState(null, "", state.toString() ? "#" + state : location.pathname + location.search);
        } catch (error) { /* a page without an address of its own */ }
    };

    // A link to a part of the page has no "=".
    const restore = () => {
        if (!location.hash.includes("="))
            return;
        const state = new URLSearchParams(location.hash.slice(1));

        field.value = state.get("q") || "";
        for (const chip of chips)
            chip.checked = (state.get(chip.name) || "").split(",").includes(chip.value);
        filter();
    };

    const dark = () => document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
    const name = () => { button.textContent = dark() ? "Light" : "Dark"; };

    form.hidden = button.hidden = false;
    form.addEventListener("input", () => { filter(); remember(); });
    form.addEventListener("submit", event => event.preventDefault());
    addEventListener("hashchange", restore);
    button.addEventListener("click", () => {
        document.documentElement.dataset.theme = dark() ? "light" : "dark";
        name();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
    restore();
})();
