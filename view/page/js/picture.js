// A picture of a group: a column for each step of the chain, the holders that do
// not wait themselves on the left. The table below it says the same in words.
import { el, svg, visible, short } from './dom.js'

const box = { width: 168, height: 30, gapX: 76, gapY: 12, pad: 14 }
const most = 40 // holders; more than that is a table's work

export function picture(group) {
  const nodes = group.nodes.slice(0, most)
  const columns = new Map()
  for (const n of nodes) {
    if (!columns.has(n.depth)) columns.set(n.depth, [])
    columns.get(n.depth).push(n)
  }
  const places = new Map()
  let width = 0
  let height = 0
  ;[...columns.keys()].sort((a, b) => a - b).forEach((depth, column) => {
    const x = box.pad + column * (box.width + box.gapX) + (group.cycle ? box.gapX / 2 : 0)
    columns.get(depth).forEach((n, i) => {
      const y = box.pad + i * (box.height + box.gapY)
      places.set(n.holder, { x, y, node: n })
      height = Math.max(height, y + box.height + box.pad)
    })
    width = Math.max(width, x + box.width + box.pad + (group.cycle ? box.gapX / 2 : 0))
  })
  const label = `${group.waiting} waiting; the table that follows lists who waits for whom`
  const image = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label })
  const seen = new Set()
  for (const e of group.edges) {
    const from = places.get(e.from)
    const to = places.get(e.to)
    const key = e.from + '\n' + e.to
    if (!from || !to || seen.has(key)) continue
    seen.add(key)
    image.append(arrow(from, to, e))
  }
  for (const p of places.values()) image.append(holderBox(p))
  const rest = group.holders - nodes.length
  if (rest > 0) image.append(svg('text', { x: box.pad, y: height + 4, class: 'rest' }, `and ${rest} more`))
  return el('div', { class: 'picture', tabindex: '0', role: 'group', 'aria-label': 'Picture of the waits' }, image)
}

function holderBox({ x, y, node }) {
  const kind = node.cycle ? 'bad' : node.depth === 0 ? 'root' : 'waits'
  const group = svg('g', { class: 'holder ' + kind })
  const title = svg('title', {}, visible(node.holder))
  const text = svg('text', { x: x + 10, y: y + box.height / 2 + 4 }, visible(short(node.holder, 21)))
  group.append(title, svg('rect', { x, y, width: box.width, height: box.height, rx: 6 }), text)
  return group
}

function arrow(from, to, e) {
  const kind = e.cycle ? 'bad' : e.queue ? 'queue' : 'lease'
  const y1 = from.y + box.height / 2
  const y2 = to.y + box.height / 2
  let d
  let tip
  if (from.x > to.x) {
    const [x1, x2] = [from.x, to.x + box.width]
    const middle = Math.min(x1, x2 + box.gapX)
    d = `M${x1} ${y1}C${middle - box.gapX * 0.6} ${y1} ${x2 + box.gapX * 0.6} ${y2} ${x2 + 7} ${y2}`
    tip = [x2, y2, 1]
  } else if (from.y < to.y) { // the same column: down on the right, up on the left
    const x = from.x + box.width
    d = `M${x} ${y1}C${x + 34} ${y1} ${x + 34} ${y2} ${x + 7} ${y2}`
    tip = [x, y2, 1]
  } else {
    const x = from.x
    d = `M${x} ${y1}C${x - 34} ${y1} ${x - 34} ${y2} ${x - 7} ${y2}`
    tip = [x, y2, -1]
  }
  const [x, y, side] = tip
  return svg('g', { class: 'arrow ' + kind }, svg('path', { d }),
    svg('polygon', { points: `${x},${y} ${x + side * 8},${y - 4} ${x + side * 8},${y + 4}` }))
}
