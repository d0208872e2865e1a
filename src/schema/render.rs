//! Fills in the template of a custom action, as far as that can be foreseen.
//!
//! Placeholders are `{{ .input.NAME }}` in text and `{$input: NAME}` as a whole value. Text with more than plain
//! placeholders (conditions, functions) is checked for balance only and becomes a stand-in.

use serde_json::{Map, Value};

use super::fault::Segment;

/// What stands for text that is only known in the run.
const STAND_IN: &str = "${input}";

/// Text that is filled in later and so may stand for any type.
pub fn stands_in(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let variable =
        |(at, _): (usize, &str)| text[at + 1..].starts_with(|c: char| c == '_' || c == '{' || c.is_ascii_alphabetic());
    text.contains('`') || text.match_indices('$').any(variable)
}

/// Adds the defaults of a schema to an input, in objects that are there.
pub fn apply_defaults(schema: &Value, input: &mut Value) {
    let (Some(Value::Object(properties)), Value::Object(map)) = (schema.get("properties"), input) else { return };
    for (name, property) in properties {
        match map.get_mut(name) {
            Some(value) => apply_defaults(property, value),
            None => {
                if let Some(default) = property.get("default") {
                    map.insert(name.clone(), default.clone());
                }
            }
        }
    }
}

/// Places inside a template, each with what is wrong there.
pub type Broken = Vec<(Vec<Segment>, String)>;

/// The step a template makes of an input.
pub fn template(
    template: &Map<String, Value>,
    input: &Value,
    path: &mut Vec<Segment>,
    broken: &mut Broken,
) -> Map<String, Value> {
    template
        .iter()
        .map(|(key, value)| {
            path.push(Segment::Key(key.clone()));
            let value = self::value(value, input, path, broken);
            path.pop();
            (key.clone(), value)
        })
        .collect()
}

fn value(value: &Value, input: &Value, path: &mut Vec<Segment>, broken: &mut Broken) -> Value {
    match value {
        Value::String(text) => match self::text(text, input) {
            Ok(text) => Value::String(text),
            Err(message) => {
                broken.push((path.clone(), message));
                Value::String(STAND_IN.to_owned())
            }
        },
        Value::Array(items) => {
            let fill = |(index, item): (usize, &Value)| {
                path.push(Segment::Index(index));
                let item = self::value(item, input, path, broken);
                path.pop();
                item
            };
            Value::Array(items.iter().enumerate().map(fill).collect())
        }
        Value::Object(map) => match (map.len(), map.get("$input")) {
            (1, Some(Value::String(name))) => match look_up(input, name) {
                Ok(found) => found.clone(),
                Err(message) => {
                    path.push(Segment::Key("$input".to_owned()));
                    broken.push((path.clone(), message));
                    path.pop();
                    Value::Null
                }
            },
            _ => Value::Object(template(map, input, path, broken)),
        },
        other => other.clone(),
    }
}

fn look_up<'v>(input: &'v Value, name: &str) -> Result<&'v Value, String> {
    let mut at = input;
    for part in name.trim().split('.') {
        at = match at {
            Value::Object(map) => map.get(part).ok_or_else(|| format!("the input has no `{part}`"))?,
            Value::Array(items) => {
                let index: usize = part.parse().map_err(|_| format!("`{part}` is not an index of a list"))?;
                items.get(index).ok_or_else(|| format!("the list has no entry {index}"))?
            }
            _ => return Err(format!("there is no `{part}` in a single value")),
        };
    }
    Ok(at)
}

/// Fills in text.
fn text(text: &str, input: &Value) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    let mut open = 0_usize;
    let mut foreseeable = true;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let body = &rest[start + 2..];
        let end = body.find("}}").ok_or("`{{` is not closed with `}}`")?;
        let inner = body[..end].trim().trim_start_matches("- ").trim_end_matches(" -").trim();
        rest = &body[end + 2..];
        let mut parts = inner.split_whitespace();
        match parts.next() {
            None => return Err("`{{ }}` holds nothing".to_owned()),
            Some(_) if inner.starts_with("/*") => {}
            Some(word @ ("if" | "range" | "with")) => {
                if parts.next().is_none() {
                    return Err(format!("`{{{{ {word} }}}}` needs something to look at"));
                }
                open += 1;
                foreseeable = false;
            }
            Some("else") if open == 0 => return Err("`{{ else }}` stands outside a condition".to_owned()),
            Some("end") if open == 0 => return Err("`{{ end }}` closes nothing".to_owned()),
            Some("end") => open -= 1,
            Some("else") => {}
            Some(_) if open > 0 => {}
            Some(path) if path.starts_with('.') => match path.strip_prefix(".input") {
                Some("") => foreseeable = false,
                Some(name) if name.starts_with('.') => {
                    let found = look_up(input, &name[1..])
                        .map_err(|reason| format!("`{{{{ {inner} }}}}` cannot be filled in: {reason}"))?;
                    match found {
                        Value::String(text) => out.push_str(text),
                        other => out.push_str(&other.to_string()),
                    }
                    foreseeable &= inner == path;
                }
                _ => return Err(format!("`{{{{ {inner} }}}}` names nothing but the input, which is `.input`")),
            },
            Some(_) => foreseeable = false,
        }
    }
    if open > 0 {
        return Err("a condition or loop in the template is not closed with `{{ end }}`".to_owned());
    }
    out.push_str(rest);
    Ok(if foreseeable { out } else { STAND_IN.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_placeholders_are_filled_in() {
        let input = json!({ "who": "you", "n": 1 });
        assert_eq!(text("echo {{ .input.who }} {{.input.n}}", &input).as_deref(), Ok("echo you 1"));
        assert_eq!(text("{{ if .input.who }}a{{ end }}", &input).as_deref(), Ok(STAND_IN));
        for wrong in ["echo {{ .input.who", "{{ .input.nobody }}", "{{ if }}", "{{ end }}", "{{ if .input.n }}"] {
            assert!(text(wrong, &input).is_err(), "{wrong}");
        }
    }

    #[test]
    fn references_variables_and_backticks_stand_for_anything() {
        for text in ["${params.x}", "$NAME", "`date`"] {
            assert!(stands_in(&json!(text)), "{text}");
        }
        assert!(!stands_in(&json!("costs $5")));
    }
}
