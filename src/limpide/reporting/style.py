"""How a report looks: one sheet of styles for screens of any width, light, dark and paper.

Answers for colours (text at least 4.5 to 1 against its ground, in both themes) and layout. Not
for: what stands on the page.
"""

from __future__ import annotations

# Lines have a dash pattern each, so that colours alone tell nothing. The colours are Okabe and
# Ito's (2008), darker on light ground and lighter on dark ground.
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#16191d;--soft:#535a63;
--line:#d5d9df;--grid:#e6e9ed;--c0:#00639c;--c1:#b04a00;--c2:#00734f;--c3:#9c3f78;--c4:#3d5a80;
--c5:#6b5b00;--bar:#2f7fb8;--shade:0,99,156;--edge:#8b95a1}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1d2126;--ink:#eceff3;
--soft:#a9b1bb;--line:#3a414a;--grid:#2a3037;--c0:#6bb8ee;--c1:#ff9c55;--c2:#4fd0a4;--c3:#e79bc8;
--c4:#a5b9ef;--c5:#e3cc57;--bar:#4f9fd6;--shade:95,175,235;--edge:#6c7682}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif;overflow-wrap:break-word}
header,main,footer{max-width:64rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.6rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.25;margin:2.6rem 0 .6rem;padding-top:.9rem;
border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.5rem 0 .4rem}
p{margin:.5rem 0;max-width:42rem}
.lead{font-size:1.12rem;line-height:1.5;margin-top:.9rem}
.soft,footer{color:var(--soft)}
a{color:var(--c0)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.4rem,1fr));gap:.7rem;
margin:1.2rem 0 0;padding:0}
.tiles>div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.7rem .85rem}
.tiles dt{color:var(--soft);font-size:.88rem}
.tiles dd{margin:0}
.tiles .big{font-size:1.55rem;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles .more{color:var(--soft);font-size:.85rem;line-height:1.35}
nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;list-style:none;margin:1.1rem 0 0;padding:0;
font-size:.95rem}
nav a{display:inline-block;padding:.25rem 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));
gap:1.4rem 2rem;margin:1rem 0;align-items:start}
figure{margin:0;max-width:27rem}
figcaption{font-weight:600;margin-bottom:.3rem}
.charts p{margin:.3rem 0 0;font-size:.9rem;color:var(--soft)}
svg{display:block;width:100%;height:auto;overflow:visible;font-family:inherit}
svg text{font-size:12px;fill:var(--ink)}
svg .k,svg .a{fill:var(--soft)}
svg .k{font-variant-numeric:tabular-nums}
svg .q{font-size:11.5px;fill:var(--soft)}
svg .v{font-variant-numeric:tabular-nums}
.g{stroke:var(--grid);stroke-width:1;fill:none}
.x{stroke:var(--soft);stroke-width:1;fill:none}
.aid{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:2 3;fill:none}
.s{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}
.s.s1{stroke-dasharray:6 4}.s.s2{stroke-dasharray:1.5 4}.s.s3{stroke-dasharray:9 3 2 3}
.s.s4{stroke-dasharray:12 4}.s.s5{stroke-dasharray:4 2 1 2 1 2}
.dot{fill:none;stroke-width:6;stroke-linecap:round}
.e{font-weight:600}
svg .e0{fill:var(--c0)}svg .e1{fill:var(--c1)}
.spot{fill:var(--paper);stroke:var(--ink);stroke-width:2}
.cloud{fill:none;stroke:var(--c0);stroke-width:4;stroke-linecap:round}
.b{fill:var(--bar)}
.w{stroke:var(--ink);stroke-width:1.4;fill:none}
.neuron{fill:var(--paper);stroke:var(--c0);stroke-width:2}
.dots{fill:var(--soft)}
.edge{fill:none;stroke:var(--edge)}
.edge.plus{stroke:var(--c0)}
.edge.minus{stroke:var(--c1);stroke-dasharray:5 3}
svg .gap{font-size:26px;fill:var(--soft)}
.legend{list-style:none;margin:.5rem 0 0;padding:0;font-size:.9rem}
.legend li{margin:.15rem 0;display:flex;gap:.6em;align-items:baseline}
.swatch{flex:none;width:2.4em;height:3px;position:relative;top:-.25em;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
.w0{background:var(--c0)}
.w1{background:repeating-linear-gradient(90deg,var(--c1) 0 7px,transparent 7px 11px)}
.w2{background:repeating-linear-gradient(90deg,var(--c2) 0 3px,transparent 3px 7px)}
.w3{background:repeating-linear-gradient(90deg,var(--c3) 0 10px,transparent 10px 13px,
var(--c3) 13px 15px,transparent 15px 18px)}
.w4{background:repeating-linear-gradient(90deg,var(--c4) 0 13px,transparent 13px 17px)}
.w5{background:repeating-linear-gradient(90deg,var(--c5) 0 5px,transparent 5px 7px,
var(--c5) 7px 9px,transparent 9px 11px)}
.table{margin:.9rem 0;max-width:100%;border:1px solid var(--line);border-radius:.5rem;
overflow:hidden}
.scroll{overflow-x:auto}
.tall{max-height:34rem;overflow-y:auto}
.tall thead th{position:sticky;top:0;background:var(--paper)}
.scroll:focus-visible,pre:focus-visible,a:focus-visible{outline:3px solid var(--c0);
outline-offset:-3px}
table{border-collapse:collapse;width:100%;font-size:.93rem}
.caption{margin:0;max-width:none;padding:.55rem .75rem;font-size:.9rem;
border-bottom:1px solid var(--line);background:var(--card);color:var(--soft)}
th,td{padding:.42rem .75rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
thead th{color:var(--soft);font-weight:600;font-size:.87rem;white-space:nowrap}
tbody th{font-weight:600;max-width:15rem}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.wide{min-width:42rem}
.matrix td{text-align:right;font-variant-numeric:tabular-nums;min-width:3rem}
.matrix tbody th,.matrix thead th{max-width:11rem;white-space:normal}
.matrix .zero{color:var(--soft)}
.matrix .right{font-weight:700;outline:2px solid var(--soft);outline-offset:-3px}
dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr));
gap:.5rem 1.5rem;margin:1rem 0}
dl.facts div{border-bottom:1px solid var(--grid);padding-bottom:.35rem}
dl.facts dt{color:var(--soft);font-size:.87rem}
dl.facts dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.8rem .9rem;
overflow-x:auto;margin:.7rem 0;font-size:.88rem;line-height:1.5;max-width:100%}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre code{font-size:inherit}
.note{border-left:4px solid var(--c1);background:var(--card);padding:.6rem .9rem;
border-radius:0 .4rem .4rem 0;max-width:44rem}
ul.notes{padding-left:1.2rem;max-width:46rem}
footer{font-size:.88rem;padding-bottom:2.5rem;margin-top:2.5rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.4rem .7rem}
@media(max-width:30rem){h1{font-size:1.45rem}.lead{font-size:1.04rem}h2{margin-top:2rem}
th,td{padding:.38rem .55rem}.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}
.tiles>div{padding:.55rem .6rem}.tiles .big{font-size:1.3rem}}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--grid:#ddd;
--c0:#00639c;--c1:#b04a00;--c2:#00734f;--c3:#9c3f78;--c4:#3d5a80;--c5:#6b5b00;--bar:#2f7fb8;
--shade:0,99,156;--edge:#8b95a1}
body{font-size:10.5pt}nav,.skip{display:none}.scroll,pre{overflow:visible;max-height:none}pre{white-space:pre-wrap}
figure,tr,.tiles>div{break-inside:avoid}h2,h3,figcaption,.caption{break-after:avoid}
.charts{grid-template-columns:1fr 1fr}
svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
""".strip()
