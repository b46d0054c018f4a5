/**
 * The report's one style sheet. Colours are Okabe and Ito's, told apart with every common colour vision deficiency; meaning never rests on
 * colour alone. No `style` attributes anywhere: the page's policy allows this sheet only, by its hash.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1d2126; --soft: #5b636d; --line: #e0e2e5; --faint: #f3f4f5; --cloud: #b9c0c8;
  --front: #0072b2; --winner: #c64f00; --other: #4a525c; --good: #00684c; --bad: #b0400a; --warm: 213 94 0; --cool: 0 114 178;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e8eaed; --soft: #9aa3ad; --line: #2c3137; --faint: #1d2126; --cloud: #515a65;
    --front: #56b4e9; --winner: #f0893d; --other: #b4bcc6; --good: #3fc79a; --bad: #f0894d; --warm: 240 137 61; --cool: 86 180 233;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 66rem; background: var(--paper); color: var(--ink);
  font: 400 0.9375rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
h1 { font-size: 1.75rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; margin: 0 0 0.35rem; overflow-wrap: anywhere }
h2 { font-size: 1.1875rem; font-weight: 650; letter-spacing: -0.005em; margin: 0 0 0.35rem }
h3 { font-size: 0.9375rem; font-weight: 600; margin: 0 0 0.25rem }
p { margin: 0 0 0.75rem; max-width: 44rem }
section { margin-top: 2.75rem }
.meta, .note, figcaption, caption { color: var(--soft) }
.note { font-size: 0.8125rem }
.lead { font-size: 1.0625rem; line-height: 1.5; margin: 1.25rem 0 0 }
.figures { display: flex; flex-wrap: wrap; gap: 0.75rem 2.5rem; margin: 1.5rem 0 0; padding: 1rem 0; border: solid var(--line); border-width: 1px 0 }
.figures div { display: flex; flex-direction: column-reverse }
.figures dt { font-size: 0.8125rem; color: var(--soft) }
.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; letter-spacing: -0.01em }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.75rem 2rem; margin: 1rem 0 }
.charts > figure:only-child { max-width: 32rem }
.beside { display: grid; grid-template-columns: minmax(0, 31rem) minmax(0, 1fr); gap: 1rem 2.5rem; align-items: start; margin-top: 1rem }
@media (max-width: 56rem) { .beside { grid-template-columns: minmax(0, 1fr) } .beside > figure { max-width: 32rem } }
figure { margin: 0; min-width: 0 }
figcaption { font-size: 0.8125rem; margin-top: 0.25rem }
svg { display: block; width: 100%; height: auto; overflow: visible; font-size: 12px }
.beside th, .beside td { padding-right: 0.75rem }
svg text { fill: var(--soft); font-variant-numeric: tabular-nums }
svg .title, svg .strong { fill: var(--ink); font-weight: 600 }
svg .end { text-anchor: end } svg .mid { text-anchor: middle }
svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 3.5px; stroke-linejoin: round }
.grid { stroke: var(--line); stroke-width: 1; fill: none }
.leader { stroke: var(--soft); stroke-width: 0.75; fill: none; opacity: 0.7 }
.zero { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; fill: none }
.cloud { stroke: var(--cloud); stroke-width: 3.4px; stroke-linecap: round; fill: none; opacity: 0.75 }
.stairs { stroke: var(--front); stroke-width: 1.25px; fill: none; opacity: 0.55 }
.front { fill: var(--front); stroke: var(--paper); stroke-width: 1 }
.winner { fill: var(--winner); stroke: var(--paper); stroke-width: 1.25 }
svg text.of-winner { fill: var(--winner); font-weight: 600 }
svg text.of-front { fill: var(--front); font-weight: 600 }
svg text.of-other { fill: var(--other) }
.baseline { fill: var(--paper); stroke: var(--other); stroke-width: 1.75 }
.curve { stroke: var(--front); stroke-width: 2; fill: none; stroke-linejoin: round }
.random { stroke: var(--other); stroke-width: 1.5; fill: none; stroke-dasharray: 5 3; stroke-linejoin: round }
.whisker { stroke: var(--other); stroke-width: 1.75; fill: none }
.whisker.of-winner { stroke: var(--winner); stroke-width: 2.25 }
.whisker.of-better { stroke: var(--good) } .whisker.of-worse { stroke: var(--bad) }
.dot { fill: var(--other) } .dot.of-winner { fill: var(--winner) }
.dot.of-better { fill: var(--good) } .dot.of-worse { fill: var(--bad) } .dot.of-unclear { fill: var(--paper); stroke: var(--other); stroke-width: 1.75 }
.scroll { overflow-x: auto; margin: 0.75rem 0; -webkit-overflow-scrolling: touch }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--front); outline-offset: 2px }
table { border-collapse: collapse; font-size: 0.875rem }
caption { text-align: left; font-size: 0.8125rem; padding-bottom: 0.35rem }
th, td { padding: 0.3rem 1.1rem 0.3rem 0; text-align: left; vertical-align: baseline; white-space: nowrap; border-bottom: 1px solid var(--line) }
thead th { font-weight: 500; color: var(--soft); font-size: 0.8125rem }
tbody th { font-weight: 400 }
td.n, th.n { text-align: right }
td.g, th.g { padding-left: 1rem }
td.wrap { white-space: normal; min-width: 16rem }
tr.is-winner > * { font-weight: 600 }
tr.is-winner > :first-child { color: var(--winner) }
.range { color: var(--soft); font-size: 0.8125rem; font-weight: 400 }
td svg { width: 11rem; min-width: 11rem }
.verdict { font-weight: 600 } .verdict.better { color: var(--good) } .verdict.worse { color: var(--bad) } .verdict.unclear { color: var(--soft); font-weight: 400 }
table.heat { border-collapse: separate; border-spacing: 2px }
table.heat th, table.heat td { border: 0; padding: 0.3rem 0.75rem }
table.heat th { padding-left: 0 }
table.heat thead th { padding-left: 0.75rem; text-align: right }
table.heat td { text-align: right; border-radius: 3px; background: rgb(var(--cool) / calc(var(--k, 0) * 5%)) }
table.heat td.minus { background: rgb(var(--warm) / calc(var(--k, 0) * 5%)) }
${Array.from({ length: 10 }, (_, k) => `.k${k + 1} { --k: ${k + 1} }`).join(' ')}
details { margin: 0.75rem 0 } summary { cursor: pointer; color: var(--soft) }
code { font: 0.8125rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; white-space: normal }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 0.8125rem; color: var(--soft) }
@media print { body { max-width: none; padding: 0 } section { break-inside: avoid } .scroll { overflow: visible } }
`
