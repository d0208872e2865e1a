//! Block text: `|` and `>`.

use super::Parser;
use crate::syntax::tree::{NodeId, NodeKind, ScalarStyle};
use crate::text::Span;

#[derive(Clone, Copy, PartialEq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

impl Parser<'_> {
    /// Reads the block scalar at the current token; its lines are deeper than `indent`.
    pub(super) fn block_scalar(&mut self, indent: isize) -> NodeId {
        let start = self.pos;
        let folded = self.peek() == b'>';
        let style = if folded { ScalarStyle::Folded } else { ScalarStyle::Literal };
        self.pos += 1;
        let mut chomp = Chomp::Clip;
        let mut explicit = None;
        loop {
            match self.peek() {
                b'-' => chomp = Chomp::Strip,
                b'+' => chomp = Chomp::Keep,
                digit @ b'1'..=b'9' => explicit = Some((digit - b'0') as usize),
                _ => break,
            }
            self.pos += 1;
        }
        let header = Span::new(start, self.pos);
        self.skip_blanks();
        if self.at_comment() {
            self.skip_comment();
        }
        if !self.is_break(self.pos) {
            let end = start + self.text[start..self.line_end(start)].trim_end().len();
            let span = Span::new(start, end);
            self.needs_quotes(span, format!("text cannot begin with `{}`", self.src[start] as char));
            self.skip_line();
            return self.add(span, ScalarStyle::Plain, NodeKind::Source(span));
        }
        let parent = indent.max(0) as usize;
        let least = (indent + 1).max(0) as usize;
        let depth = explicit.map(|n| if indent < 0 { n } else { parent + n }).or_else(|| self.first_indent());
        let lines = match depth {
            Some(depth) if depth >= least => self.block_lines(depth),
            _ => Vec::new(),
        };
        let end = lines.iter().rev().find(|line| !line.0.is_empty()).map_or(header.end, |line| line.0.end);
        let text = self.join(&lines, folded, chomp);
        self.add(Span { start: header.start, end }, style, NodeKind::Owned(text.into()))
    }

    /// The indentation of the first line below that is not blank.
    fn first_indent(&self) -> Option<usize> {
        let mut at = self.pos;
        loop {
            if at >= self.src.len() {
                return None;
            }
            at = self.after_break(at);
            let line = at;
            while self.byte(at) == b' ' {
                at += 1;
            }
            if at < self.src.len() && !self.is_break(at) {
                return Some(at - line);
            }
        }
    }

    /// The lines of the text without their indentation, and whether a line break ends each; moves behind them.
    fn block_lines(&mut self, depth: usize) -> Vec<(Span, bool)> {
        let mut lines = Vec::new();
        while self.pos < self.src.len() {
            let line = self.after_break(self.pos);
            let mut first = line;
            while first < line + depth && self.byte(first) == b' ' {
                first += 1;
            }
            let end = self.line_end(line.min(self.src.len()));
            let blank = self.text[first.min(end)..end].bytes().all(|byte| byte == b' ');
            if first < line + depth && !self.is_break(first) {
                break;
            }
            if line >= self.src.len() {
                break;
            }
            // A blank line keeps what is deeper than the text.
            let content = if blank && first < line + depth { Span::at(end) } else { Span::new(first, end) };
            lines.push((content, end < self.src.len()));
            self.line_start = line;
            self.pos = end;
        }
        lines
    }

    fn join(&self, lines: &[(Span, bool)], folded: bool, chomp: Chomp) -> String {
        let n_content = lines.iter().rposition(|line| !line.0.is_empty()).map_or(0, |i| i + 1);
        let (content, trailing) = lines.split_at(n_content);
        let mut text = String::new();
        if folded {
            self.fold(content, &mut text);
        } else {
            for (i, (line, _)) in content.iter().enumerate() {
                if i > 0 {
                    text.push('\n');
                }
                text.push_str(line.text(self.text));
            }
        }
        let ended = content.last().is_some_and(|line| line.1);
        match chomp {
            Chomp::Strip => {}
            Chomp::Clip if ended => text.push('\n'),
            Chomp::Clip => {}
            Chomp::Keep => {
                if ended {
                    text.push('\n');
                }
                text.extend(trailing.iter().filter(|line| line.1).map(|_| '\n'));
            }
        }
        text
    }

    /// Lines that are not indented further join with a space; blank lines and deeper lines keep their breaks.
    fn fold(&self, lines: &[(Span, bool)], text: &mut String) {
        let is_deeper = |line: Span| matches!(line.text(self.text).as_bytes().first(), Some(b' ' | b'\t'));
        let mut blanks = 0;
        let mut previous: Option<Span> = None;
        for &(line, _) in lines {
            if line.is_empty() {
                blanks += 1;
                continue;
            }
            match previous {
                None => text.extend(std::iter::repeat_n('\n', blanks)),
                Some(previous) if is_deeper(previous) || is_deeper(line) => {
                    text.extend(std::iter::repeat_n('\n', blanks + 1));
                }
                Some(_) if blanks == 0 => text.push(' '),
                Some(_) => text.extend(std::iter::repeat_n('\n', blanks)),
            }
            text.push_str(line.text(self.text));
            blanks = 0;
            previous = Some(line);
        }
    }
}
