//! Places in text: bytes in, lines and columns out.
//!
//! Everything inside saddler speaks in byte offsets ([`Span`]). Lines and columns appear only at the rim, and each
//! rim has its own idea of a column: a terminal counts characters, an editor counts the units it negotiated. The
//! conversions are here so that nobody adds up columns elsewhere.

use serde::Serialize;

/// A half-open range of byte offsets into the text of one document. Both ends lie on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end, "span {start}..{end} is backwards");
        Self { start: start as u32, end: end as u32 }
    }

    /// An empty span at one offset.
    pub fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// True when `offset` lies in the span or directly behind it, where an editor's caret stands after a word.
    pub fn touches(self, offset: usize) -> bool {
        (self.start as usize..=self.end as usize).contains(&offset)
    }

    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn text(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or("")
    }
}

/// Replace the text at `span` by `text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

impl Edit {
    pub fn replace(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: text.into() }
    }

    pub fn insert(offset: u32, text: impl Into<String>) -> Self {
        Self { span: Span { start: offset, end: offset }, text: text.into() }
    }

    pub fn delete(span: Span) -> Self {
        Self { span, text: String::new() }
    }
}

/// What a column counts. The editor chooses it when the session starts; terminals count characters (`Utf32`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PositionEncoding {
    Utf8,
    #[default]
    Utf16,
    Utf32,
}

/// Zero-based line, and zero-based column in units of some [`PositionEncoding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCol {
    pub line: u32,
    pub col: u32,
}

/// Where the lines of a text start. Lines end at `\n`, `\r\n` or a lone `\r`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (i, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' || (byte == b'\r' && bytes.get(i + 1) != Some(&b'\n')) {
                starts.push(i as u32 + 1);
            }
        }
        Self { starts }
    }

    pub fn n_lines(&self) -> usize {
        self.starts.len()
    }

    /// Zero-based line of an offset.
    pub fn line(&self, offset: u32) -> u32 {
        (self.starts.partition_point(|&start| start <= offset) - 1) as u32
    }

    /// Offset of the first byte of a zero-based line; the end of the text for a line behind the last.
    pub fn line_start(&self, line: u32, text: &str) -> u32 {
        self.starts.get(line as usize).copied().unwrap_or(text.len() as u32)
    }

    /// The line of an offset as a span, without its line break.
    pub fn line_span(&self, line: u32, text: &str) -> Span {
        let start = self.line_start(line, text);
        let end = self.line_start(line + 1, text);
        let content = text[start as usize..end as usize].trim_end_matches(['\n', '\r']);
        Span::new(start as usize, start as usize + content.len())
    }

    pub fn position(&self, text: &str, offset: u32, encoding: PositionEncoding) -> LineCol {
        let offset = floor_char_boundary(text, offset as usize);
        let line = self.line(offset as u32);
        let before = &text[self.line_start(line, text) as usize..offset];
        LineCol { line, col: units(before, encoding) as u32 }
    }

    /// The offset of a position; a column behind the end of its line means the end of that line.
    pub fn offset(&self, text: &str, position: LineCol, encoding: PositionEncoding) -> u32 {
        if position.line as usize >= self.starts.len() {
            return text.len() as u32;
        }
        let line = self.line_span(position.line, text);
        let mut left = position.col as usize;
        for (i, c) in line.text(text).char_indices() {
            let width = match encoding {
                PositionEncoding::Utf8 => c.len_utf8(),
                PositionEncoding::Utf16 => c.len_utf16(),
                PositionEncoding::Utf32 => 1,
            };
            if left < width {
                return line.start + i as u32;
            }
            left -= width;
        }
        line.end
    }
}

fn units(text: &str, encoding: PositionEncoding) -> usize {
    match encoding {
        PositionEncoding::Utf8 => text.len(),
        PositionEncoding::Utf16 => text.encode_utf16().count(),
        PositionEncoding::Utf32 => text.chars().count(),
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_what_was_asked_for() {
        let text = "a\nä😀x\r\nend";
        let index = LineIndex::new(text);
        let x = text.find('x').expect("x is there") as u32;
        for (encoding, col) in [(PositionEncoding::Utf8, 6), (PositionEncoding::Utf16, 3), (PositionEncoding::Utf32, 2)]
        {
            let position = index.position(text, x, encoding);
            assert_eq!(position, LineCol { line: 1, col });
            assert_eq!(index.offset(text, position, encoding), x);
        }
        assert_eq!(index.offset(text, LineCol { line: 1, col: 99 }, PositionEncoding::Utf16), x + 1);
        assert_eq!(index.n_lines(), 3);
    }

    #[test]
    fn an_offset_inside_a_character_counts_from_its_start() {
        let text = "😀";
        assert_eq!(LineIndex::new(text).position(text, 2, PositionEncoding::Utf16), LineCol { line: 0, col: 0 });
    }
}
