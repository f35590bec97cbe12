//! QEMU's log of every block that was executed, made into a tree of calls with instructions.
//!
//! A line tells a block's address and nothing else; the rest follows from the programs' text. Up to
//! where a block went is told by the next line. Which program it was is not told, and all have the
//! same addresses: it is the one in which every step from one entry of the kernel to the next is possible.
//! Calls and returns are followed, so no frame pointers are needed.

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::Result;

use super::code::{Code, Flow, INSTRUCTION};

/// Addresses from here on are the kernel's.
const KERNEL: u64 = 1 << 63;
/// The kernel is the first of the codes.
const KERNEL_CODE: usize = 0;
/// No program calls deeper.
const DEEPEST: usize = 200;

/// What was executed.
pub struct Tree {
    nodes: Vec<Node>,
    children: HashMap<(usize, u64), usize>,
    /// By node, address and length of a block: how often.
    blocks: HashMap<(usize, u64, u64), u64>,
}

struct Node {
    /// Whoever called; a root's is itself.
    parent: usize,
    code: usize,
    /// The call's address; nothing for a root.
    call: u64,
    depth: usize,
}

/// A block as a line tells it: QEMU's own address for it, and the guest's.
type Block = (u64, u64);

impl Tree {
    fn new(codes: usize) -> Self {
        let nodes = (0..codes)
            .map(|code| Node {
                parent: code,
                code,
                call: 0,
                depth: 0,
            })
            .collect();
        Self {
            nodes,
            children: HashMap::new(),
            blocks: HashMap::new(),
        }
    }

    fn called(&mut self, from: usize, call: u64) -> usize {
        let (code, depth) = (self.nodes[from].code, self.nodes[from].depth + 1);
        if depth > DEEPEST {
            return from;
        }
        *self.children.entry((from, call)).or_insert_with(|| {
            self.nodes.push(Node {
                parent: from,
                code,
                call,
                depth,
            });
            self.nodes.len() - 1
        })
    }

    /// Where the call that returns to an address came from; the program's root if it is not known.
    fn returned(&self, from: usize, to: u64) -> usize {
        let mut node = from;
        while self.nodes[node].depth > 0 {
            if self.nodes[node].call + INSTRUCTION == to {
                return self.nodes[node].parent;
            }
            node = self.nodes[node].parent;
        }
        self.nodes[node].code
    }

    /// Names from the outermost function to each instruction's, and how often it was executed.
    pub fn stacks(&self, codes: &[Code]) -> Vec<(Vec<String>, u64)> {
        let mut names: HashMap<(usize, u64), Vec<String>> = HashMap::new();
        let mut out = Vec::new();
        for ((node, from, length), times) in &self.blocks {
            let code = self.nodes[*node].code;
            let mut calls = Vec::new();
            let mut above = *node;
            while self.nodes[above].depth > 0 {
                calls.push(self.nodes[above].call);
                above = self.nodes[above].parent;
            }
            calls.reverse();
            let mut named = |address: u64| {
                names
                    .entry((code, address))
                    .or_insert_with(|| codes[code].names(address))
                    .clone()
            };
            let mut path = vec![codes[code].name.clone()];
            path.extend(calls.into_iter().flat_map(&mut named));
            for index in 0..*length {
                let mut path = path.clone();
                path.extend(named(from + index * INSTRUCTION));
                out.push((path, *times));
            }
        }
        out
    }
}

/// Reads a log.
pub fn read(log: impl BufRead, codes: &[Code]) -> Result<Tree> {
    let mut reader = Reader {
        codes,
        tree: Tree::new(codes.len()),
        places: (0..codes.len()).collect(),
        known: HashMap::new(),
        last: KERNEL_CODE,
    };
    // Blocks since the kernel was entered or left, and the one before the next.
    let mut run: Vec<Block> = Vec::new();
    for line in log.lines() {
        let line = line?;
        if let Some(block) = traced(&line) {
            let is_kernel = |block: Block| block.1 >= KERNEL;
            if run
                .last()
                .is_some_and(|last| is_kernel(*last) != is_kernel(block))
            {
                reader.take(&run);
                run.clear();
            }
            run.push(block);
        } else if line.starts_with("Stopped") {
            // The last one was not executed after all.
            run.pop();
        }
    }
    reader.take(&run);
    Ok(reader.tree)
}

/// `Trace 0: 0x7f1ba09cabc0 [0000000000004000/ffffffc0402079d0/00000021/ff020200]`
fn traced(line: &str) -> Option<Block> {
    let rest = line.strip_prefix("Trace ")?;
    let (_, rest) = rest.split_once("0x")?;
    let (host, rest) = rest.split_once(" [")?;
    let guest = rest.split('/').nth(1)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(host)?, number(guest)?))
}

struct Reader<'a> {
    codes: &'a [Code],
    tree: Tree,
    /// Where each program is in its calls.
    places: Vec<usize>,
    /// Whose a block is, by QEMU's address for it.
    known: HashMap<u64, usize>,
    /// The program of the last run.
    last: usize,
}

impl Reader<'_> {
    /// Takes in what was executed between two changes from program to kernel or back.
    fn take(&mut self, run: &[Block]) {
        let Some(first) = run.first() else {
            return;
        };
        let code = if first.1 >= KERNEL {
            // It begins anew at each entry.
            self.places[KERNEL_CODE] = KERNEL_CODE;
            KERNEL_CODE
        } else {
            let Some(code) = self.whose(run) else {
                return;
            };
            self.last = code;
            code
        };
        for (index, block) in run.iter().enumerate() {
            self.step(code, block.1, run.get(index + 1).map(|next| next.1));
        }
    }

    /// The program that can have done all this.
    fn whose(&mut self, run: &[Block]) -> Option<usize> {
        let possible: Vec<usize> = (KERNEL_CODE + 1..self.codes.len())
            .filter(|code| {
                let code = &self.codes[*code];
                run.windows(2)
                    .all(|pair| follows(code, pair[0].1, pair[1].1))
                    && run.iter().all(|block| code.block(block.1).is_some())
            })
            .collect();
        let known = run
            .iter()
            .find_map(|block| self.known.get(&block.0).copied());
        match possible[..] {
            [only] => {
                self.known.extend(run.iter().map(|block| (block.0, only)));
                Some(only)
            }
            _ => known
                .or_else(|| possible.contains(&self.last).then_some(self.last))
                .or_else(|| possible.first().copied()),
        }
    }

    /// Counts a block, and follows calls and returns to the next.
    fn step(&mut self, code: usize, from: u64, next: Option<u64>) {
        let place = self.places[code];
        let Some((end, flow)) = self.codes[code].block(from) else {
            return;
        };
        let was_cut = next.filter(|next| (from + 1..=end).contains(next));
        let length = was_cut.map_or(end + INSTRUCTION - from, |next| next - from) / INSTRUCTION;
        *self.tree.blocks.entry((place, from, length)).or_default() += 1;
        if was_cut.is_some() {
            return;
        }
        self.places[code] = match (flow, next) {
            (Flow::Call(_), _) => self.tree.called(place, end),
            (Flow::Return, Some(next)) => self.tree.returned(place, next),
            // An exception in the kernel begins anew, too.
            (_, Some(next)) if code == KERNEL_CODE && !follows(&self.codes[code], from, next) => {
                code
            }
            _ => place,
        };
    }
}

/// Whether a block at `next` can come after the one at `from`.
fn follows(code: &Code, from: u64, next: u64) -> bool {
    let Some((end, flow)) = code.block(from) else {
        return false;
    };
    if (from + 1..=end).contains(&next) {
        return true;
    }
    match flow {
        Flow::Jump(to) | Flow::Call(Some(to)) => next == to,
        Flow::Branch(to) => next == to || next == end + INSTRUCTION,
        Flow::Call(None) | Flow::Computed | Flow::Return => true,
        Flow::Exception => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, traced};

    #[test]
    fn lines_are_read() {
        let line = "Trace 0: 0x7f1b [0000000000004000/ffffffc0402079d0/00000021/ff020200] ";
        assert_eq!(traced(line), Some((0x7f1b, 0xffff_ffc0_4020_79d0)));
        assert_eq!(
            traced("cpu_io_recompile: rewound execution of TB to 0"),
            None
        );
    }

    #[test]
    fn returns_go_to_whoever_called() {
        let mut tree = Tree::new(2);
        let first = tree.called(1, 0x100);
        let second = tree.called(first, 0x200);
        assert_eq!(tree.called(1, 0x100), first);
        assert_eq!(tree.returned(second, 0x204), first);
        assert_eq!(tree.returned(second, 0x104), 1, "two at once: a tail call");
        assert_eq!(tree.returned(second, 0x999), 1, "nobody knows");
    }
}
