//! Table: a result for people, or with `--json` as one object. Keys carry their unit.

use std::io::Write;

use serde_json::{Map, Value};

/// A run's figures by key, in the order they were put in.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    rows: Vec<(String, Value)>,
}

impl Figures {
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.rows.push((key.to_owned(), value.into()));
    }

    /// A number, to three digits after the point.
    pub fn number(&mut self, key: &str, value: f64) {
        self.put(key, (value * 1_000.0).round() / 1_000.0);
    }

    pub fn get(&self, key: &str) -> Option<f64> {
        self.rows.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_f64())
    }

    /// Writes them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn print(&self, out: &mut impl Write, title: &str, json: bool) -> std::io::Result<()> {
        if json {
            let mut object = Map::from_iter([("bench".to_owned(), Value::from(title))]);
            object.extend(self.rows.iter().cloned());
            return writeln!(out, "{}", Value::Object(object));
        }
        writeln!(out, "\n{title}")?;
        let width = self.rows.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        for (key, value) in &self.rows {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => grouped(number.as_f64().unwrap_or(0.0)),
                other => other.to_string(),
            };
            writeln!(out, "  {key:width$}  {text:>16}")?;
        }
        out.flush()
    }
}

/// The medians of several runs' figures, key by key; texts are those of the first run.
pub fn medians(runs: &[Figures]) -> Figures {
    let mut middle = Figures::default();
    let Some(first) = runs.first() else { return middle };
    for (key, value) in &first.rows {
        if value.is_number() {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.get(key)).collect();
            middle.number(key, crate::stats::median(&values));
        } else {
            middle.put(key, value.clone());
        }
    }
    middle
}

fn grouped(number: f64) -> String {
    if number.abs() < 1_000.0 {
        return if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.3}") };
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_aligned_rows_and_programs_one_object() {
        let mut figures = Figures::default();
        figures.number("messages_per_s", 51_234.567_8);
        figures.put("durability", "full");
        let mut people = Vec::new();
        figures.print(&mut people, "direct", false).unwrap();
        assert!(String::from_utf8(people).unwrap().contains("51,235"));
        let mut programs = Vec::new();
        figures.print(&mut programs, "direct", true).unwrap();
        let object: Value = serde_json::from_slice(&programs).unwrap();
        assert_eq!(object["messages_per_s"], 51_234.568);
    }

    #[test]
    fn medians_are_taken_key_by_key() {
        let run = |value: f64| {
            let mut figures = Figures::default();
            figures.number("p99_ms", value);
            figures
        };
        assert_eq!(medians(&[run(3.0), run(1.0), run(2.0)]).get("p99_ms"), Some(2.0));
    }
}
