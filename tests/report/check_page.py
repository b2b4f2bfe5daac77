# SPDX-License-Identifier: BSD-2-Clause
"""Checks in a real browser the pages of `report` made from report.sql: check_page.py DIR-WITH-PAGES DIR-FOR-SCREENSHOTS."""
import os
import sys

from browser import Browser

pages, pictures = (os.path.abspath(path) for path in sys.argv[1:3])
checks = 0


def expect(what, got, wanted):
    global checks
    checks += 1
    if got != wanted:
        sys.exit(f"FAIL: {what}: got {got!r}, expected {wanted!r}")


def url(page, fragment=""):
    return f"file://{pages}/{page}.html{fragment}"


# Of all texts that are seen, those that stand out too little from what is behind them (WCAG 2: 4.5, large text 3).
FAINT = """(() => {
    const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = colour => {
        const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const rect = at.tagName === "g" && at.querySelector("rect");
            const colour = parse(rect ? getComputedStyle(rect).fill : getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1)
                return colour.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || element.tagName === "SCRIPT" ||
            element.tagName === "title" || !element.getClientRects().length || element.closest(".skip"))
            continue;
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const ink = light(parse(element.tagName === "text" ? style.fill : style.color)), paper = light(behind(element));
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
            faint.push(element.tagName + "." + element.className + " " + ratio.toFixed(2));
    }
    return faint;
})()"""

# Headings that skip a level.
SKIPPED = """[...document.querySelectorAll("h1,h2,h3,h4")].map(h => +h.tagName[1])
    .filter((level, i, all) => i && level > all[i - 1] + 1)"""

SHOWN = """[...document.querySelectorAll("[data-n]")].filter(item => item.getClientRects().length)
    .map(item => item.querySelector("code").textContent)"""


def check_hostile(browser):
    browser.open(url("hostile"))
    expect("scripts that ran", browser.eval("typeof hacked"), "undefined")
    expect("elements that got in", browser.eval("document.querySelectorAll('.hacked,img,iframe,object,embed,link,base').length"), 0)
    expect("scripts", browser.eval("document.scripts.length"), 1)
    expect("styles", browser.eval("document.querySelectorAll('style').length"), 1)
    expect("attributes with code", browser.eval("""[...document.querySelectorAll("*")].flatMap(e => [...e.attributes])
        .filter(a => /^on/i.test(a.name) || /^\\s*javascript:/i.test(a.value)).length"""), 0)
    expect("the script of the page itself", browser.eval("document.getElementById('filter').hidden"), False)
    text = browser.eval("document.body.textContent")
    for word in ("<b class=hacked>x</b>\"onload=\"hacked=1", "</script><script>window.hacked=1</script>", "'&#60;b&#62;'",
                 "a\\u{202e}moc.buhtig\\x1b[2J", "'x\\u{202e}\\u{200f}y'", "@everyone", "w" * 500):
        expect(f"the text {word[:40]!r} is shown as it is", word in text, True)
    expect("characters that steer or reorder", browser.eval("""/[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b-\\u200f\\u2028-\\u202e]/
        .test(document.body.textContent)"""), False)
    asked = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    expect("what it asked for", [asked_url for asked_url in asked if asked_url != url("hostile")], [])
    # Even markup that got in could do nothing: the policy of the page holds.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.hacked=1>')")
    browser.eval("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 2'; document.body.append(s); })()")
    browser.eval("new Promise(done => setTimeout(done, 200))")
    expect("scripts that were put in", browser.eval("typeof hacked"), "undefined")


def check_looks(browser):
    for page in ("deploy", "hostile", "all", "against"):
        for width in (1280, 360):
            for theme in ("light", "dark"):
                browser.open(url(page), width, theme)
                what = f"{page}, {width} pixels, {theme}: "
                expect(what + "width", browser.eval("document.documentElement.scrollWidth"), width)
                expect(what + "faint texts", browser.eval(FAINT), [])
                expect(what + "skipped headings", browser.eval(SKIPPED), [])
                browser.screenshot(f"{pictures}/report-{page}-{width}-{theme}.png")
    browser.open(url("deploy"), 1280, "light")
    browser.eval("document.getElementById('theme').click()")
    expect("dark by the button: faint texts", browser.eval(FAINT), [])
    expect("dark by the button", browser.eval("getComputedStyle(document.body).backgroundColor"), "rgb(15, 18, 24)")


def check_filter(browser):
    everything = ["github.com", "api.github.com", "telemetry.example", "migrations.internal", "uploads.github.com",
                  "registry.internal", "db.internal", "inventory.internal", "mirror.internal", "10.20.0.40", "ntp.internal"]
    for fragment, shown in (
            ("", everything),
            ("#d1-head", everything),
            ("#c=hidden", ["api.github.com", "telemetry.example", "uploads.github.com"]),
            ("#c=hidden,transient&v=deny", ["api.github.com", "telemetry.example", "migrations.internal"]),
            ("#v=would-deny", ["uploads.github.com"]),
            ("#q=PSQL", ["db.internal"]),
            ("#q=deploy.policy%3A11", ["migrations.internal"]),
            ("#q=nowhere", [])):
        browser.open("about:blank")
        browser.open(url("deploy", fragment))
        expect("shown by " + fragment, browser.eval(SHOWN), shown)
    browser.open(url("deploy", "#q=telemetry"))
    expect("lanes", browser.eval("[...document.querySelectorAll('.timeline li')].filter(e => !e.hidden).length"), 2)
    expect("tree", browser.eval("[...document.querySelectorAll('.tree li')].filter(e => !e.hidden).length"), 3)
    expect("graph", browser.eval("document.querySelectorAll('.graph .node:not(.dim)').length"), 4)
    # By hand, with the keyboard alone.
    browser.eval("document.getElementById('q').focus()")
    browser.eval("document.getElementById('q').select()")
    browser.call("Input.insertText", text="github")
    expect("typed", browser.eval(SHOWN), ["github.com", "api.github.com", "migrations.internal", "uploads.github.com",
                                          "mirror.internal"])
    for _ in range(5):
        browser.key("Tab")
    browser.key("Space")
    expect("chip by keyboard", browser.eval(SHOWN), ["api.github.com", "uploads.github.com"])
    expect("address of what is seen", browser.eval("location.hash"), "#q=github&c=hidden")
    browser.open(url("all", "#v=allow"))
    expect("deployments with something left", browser.eval(
        "[...document.querySelectorAll('.deployment')].filter(e => !e.hidden).length"), 3)
    browser.open("about:blank")
    browser.open(url("all", "#q=telemetry"))
    expect("deployments with something left", browser.eval(
        "[...document.querySelectorAll('.deployment')].filter(e => !e.hidden).length"), 1)


def check_without_script(browser):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url("deploy"))
    document = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    html = browser.call("DOM.getOuterHTML", nodeId=document)["outerHTML"]
    expect("the filter without a script", 'aria-label="Filter" hidden' in html, True)
    expect("findings without a script", html.count("<article"), 5)
    browser.screenshot(f"{pictures}/report-deploy-without-script.png")
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


browser = Browser()
try:
    for check in (check_hostile, check_looks, check_filter, check_without_script):
        check(browser)
finally:
    browser.close()
print(checks, "checks in Chromium")
