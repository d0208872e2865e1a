//! The parser from outside: against values seen in Dagu, against a strict parser, and against hostile text.

use saddler::syntax::{NodeKind, parse};
use saddler::text::LineIndex;
use serde_json::Value as Json;

/// Numbers compare by value: whether 2 or 2.0 was read does not show.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a.to_string() == b.to_string() || a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn mappings_are_read_as_dagu_reads_them() {
    let corpus = include_str!("corpus/yaml-values.jsonl");
    let mut wrong = Vec::new();
    for line in corpus.lines() {
        let case: Json = serde_json::from_str(line).expect("the corpus is JSON");
        let text = case["text"].as_str().expect("a case has a text");
        let parse = parse(text);
        let root = parse.tree.value(parse.tree.documents()[0].root);
        let value = root.to_json();
        let refused = !parse.diagnostics.is_empty();
        if case.get("refuse").is_some() != refused || (!refused && !same(&case["value"], &value)) {
            wrong.push(format!(
                "{text:?}: expected {case}, found {value} {:?}",
                parse.diagnostics.first().map(|d| &d.message)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), corpus.lines().count(), wrong.join("\n"));
}

fn messages(text: &str) -> Vec<String> {
    let index = LineIndex::new(text);
    let mut diagnostics = parse(text).diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    diagnostics.iter().map(|d| format!("{}: {}", index.line(d.span.start) + 1, d.message)).collect()
}

#[test]
fn several_mistakes_are_found_in_one_pass_and_the_rest_is_read() {
    let text = "\
steps:
  - id: ä
    run: echo \"a: b\"
  - id: b
     run: x
  - id: c
    env: {A: 1
  - id: d
    run: \"open
  - id: e
    nocolon
  - id: f
    run: *nope
  - id: g
    run: fine
";
    assert_eq!(
        messages(text),
        [
            "3: text that holds a colon and a space must be quoted",
            "5: this key is indented more than its sisters",
            "7: this map is never closed",
            "9: this quote is never closed",
            "11: expected `key: value`, found text without a colon",
            "13: no anchor `&nope` stands before this alias",
        ]
    );
    let parse = parse(text);
    let steps = parse.tree.value(parse.tree.documents()[0].root).get("steps").expect("steps are there");
    let ids: Vec<_> = steps.items().map(|step| step.get("id").and_then(|id| id.as_str()).unwrap_or("-")).collect();
    assert_eq!(ids, ["ä", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn an_unclosed_bracket_costs_one_entry() {
    let text = "a: [1, 2\nb: 3\nc: {x: 1\n   y: 2\nd: 4\n";
    assert_eq!(messages(text).len(), 2, "{:?}", messages(text));
    let parse = parse(text);
    let root = parse.tree.value(parse.tree.documents()[0].root);
    assert_eq!(root.get("b").map(|b| b.to_json()), Some(3.into()));
    assert_eq!(root.get("d").map(|d| d.to_json()), Some(4.into()));
}

#[test]
fn documents_comments_and_places_are_known() {
    let text = "# head\na: 1 # one\n---\nb:\n  - x\n  - y: z\n...\n";
    let parse = parse(text);
    assert_eq!(parse.diagnostics, []);
    assert_eq!(parse.tree.documents().len(), 2);
    assert_eq!(parse.tree.comments().iter().map(|span| span.text(text)).collect::<Vec<_>>(), ["# head", "# one"]);
    let b = parse.tree.value(parse.tree.documents()[1].root).get("b").expect("b is there");
    assert_eq!(b.span().text(text), "- x\n  - y: z");
    let item = b.items().nth(1).expect("two items");
    assert_eq!(item.span().text(text), "y: z");
}

#[test]
fn duplicate_keys_show_both_places() {
    let parse = parse("a: 1\nb: 2\na: 3\n");
    let [diagnostic] = &parse.diagnostics[..] else { panic!("{:?}", parse.diagnostics) };
    assert_eq!(
        (diagnostic.code, diagnostic.span.start, diagnostic.labels[0].span.start),
        ("yaml-duplicate-key", 10, 0)
    );
}

#[test]
fn hostile_text_is_bounded() {
    let brackets = "[".repeat(100_000);
    assert!(!parse(&format!("a: {brackets}")).diagnostics.is_empty());
    let nested: String = (0..3_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let tree = parse(&nested).tree;
    let _ = tree.value(tree.documents()[0].root).to_json();
    let flow = format!("a: {}{}\n", "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(parse(&flow).diagnostics, []);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let parse = parse(&bomb);
    assert_eq!(parse.diagnostics, []);
    let json = parse.tree.value(parse.tree.documents()[0].root).get("a29").expect("a29 is there").to_json();
    assert!(json.is_array());
}

#[test]
fn unclosed_quotes_on_every_line_do_not_take_quadratic_time() {
    let text = "- 'a\n- \"b\n".repeat(200_000);
    assert!(!parse(&text).diagnostics.is_empty());
}

#[test]
fn a_strict_parser_agrees_where_dagu_has_no_habits_of_its_own() {
    let documents = [
        "a: 1\nb: [x, y]\nc: {d: e}\n",
        "steps:\n- id: a\n  run: |\n    one\n    two\n\n- id: b\n  run: >-\n    folded\n    text\n",
        "a: 'it''s'\nb: \"tab\\t\\u00e4\"\nc: \"two\n  lines\"\n",
        "a:\n  b:\n    c: [1, 2,\n      3]\n  d: ~\n",
        "a: plain over\n  two lines\n\n  and a break\n",
        "- - 1\n  - 2\n- - 3\n",
        "a: &x {b: 1}\nc: *x\n",
        "a: |+\n  x\n\n\nb: |2\n    y\n  z\n",
        "a: >\n  x\n    deeper\n  y\n\n\n  z\nb: 1\n",
        "? a\n: b\n",
        "a:\n- b\n- c\nd: e\n",
        "- a: 1\n  b:\n  - 2\n- c\n",
        "--- # comment\na: 1\n",
        "a: # comment\n  # another\n  b\n",
        "a: ''\nb: \"\"\nc:\n",
        "a: \"x\\\n   y\"\n",
        "a: |-\n  no end",
        "a: |\n  no end",
        "a: >\n  no end",
        "key with spaces: value # c\n\"q: k\": v\n",
    ];
    for text in documents {
        let strict: Json = serde_yaml::from_str(text).expect("the strict parser reads it");
        let parse = parse(text);
        assert_eq!(parse.diagnostics, [], "{text}");
        let value = parse.tree.value(parse.tree.documents()[0].root).to_json();
        assert!(same(&strict, &value), "{text:?}: strict {strict}, ours {value}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_parses_and_every_span_lies_on_character_boundaries(
        text in "([ \\n\\t:#\\-?\\[\\]{},&*!|>'\"%@`a-cä😀0.$~]|<<: |- |: |\\r\\n|---|key: ){0,80}"
    ) {
        let parse = parse(&text);
        for diagnostic in &parse.diagnostics {
            assert!(text.is_char_boundary(diagnostic.span.start as usize), "{diagnostic:?}");
            assert!(text.is_char_boundary(diagnostic.span.end as usize), "{diagnostic:?}");
        }
        for document in parse.tree.documents() {
            let root = parse.tree.value(document.root);
            let _ = root.to_json();
            check_spans(root, &text);
        }
    }
}

fn check_spans(value: saddler::syntax::Value, text: &str) {
    let span = value.span();
    assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
    if let NodeKind::Source(span) = value.node().kind {
        assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
    }
    for item in value.items() {
        check_spans(item, text);
    }
    for (key, value) in value.entries() {
        check_spans(key, text);
        check_spans(value, text);
    }
}
