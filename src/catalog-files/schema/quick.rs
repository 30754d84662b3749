//! A quick look whether a tree follows the schema: most files do, and then nobody asks which rule they break.
//!
//! It reads the same schema as the validator that explains mistakes, whose compiled form takes 145 MB (jsonschema
//! 0.33), and accepts nothing that the validator refuses: where it is not sure, it says no, and the validator decides.

use std::collections::{HashMap, HashSet};

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value as Json};

use crate::node::{Entry, Node, Value};

/// Deepest nesting of rules that are asked for their contrary.
const MAX_DEPTH: usize = 16;

/// A schema, compiled. The first rule is that of the whole file.
pub(super) struct Quick {
    rules: Vec<Rule>,
}

/// What one schema object demands. Numbers are those of other rules.
#[derive(Default)]
struct Rule {
    /// `$ref` and `allOf`.
    all_of: Vec<usize>,
    any_of: Vec<usize>,
    one_of: Vec<usize>,
    not: Option<usize>,
    condition: Option<usize>,
    then: Option<usize>,
    types: Vec<String>,
    options: Option<Vec<Json>>,
    pattern: Option<Regex>,
    min_length: usize,
    bounds: (Option<f64>, Option<f64>),
    min_items: usize,
    max_items: Option<usize>,
    is_unique: bool,
    first_items: Vec<usize>,
    items: Option<usize>,
    properties: HashMap<String, usize>,
    property_names: Option<usize>,
    /// `additionalProperties`, if it is a schema.
    additional: Option<usize>,
    has_no_additional: bool,
    has_no_unevaluated: bool,
    required: Vec<String>,
    dependent: Vec<(String, Vec<String>)>,
}

impl Quick {
    /// Compiles a schema; `None` if it uses what this does not know.
    pub(super) fn new(schema: &Json) -> Option<Self> {
        let mut compiler = Compiler { schema, rules: Vec::new(), by_pointer: HashMap::new() };
        compiler.rule("", schema)?;
        let quick = Self { rules: compiler.rules };
        let negated = |rule: &Rule| {
            rule.not.into_iter().chain(rule.condition).chain(rule.one_of.iter().copied()).collect()
        };
        let asked: Vec<usize> = quick.rules.iter().flat_map::<Vec<usize>, _>(negated).collect();
        asked.iter().all(|rule| quick.is_sure(*rule, MAX_DEPTH)).then_some(quick)
    }

    /// True for a rule of which this knows when it is not followed: one of keys, texts and truth values.
    fn is_sure(&self, rule: usize, depth: usize) -> bool {
        let (Some(rule), Some(depth)) = (self.rules.get(rule), depth.checked_sub(1)) else { return false };
        let is_simple = |option: &Json| option.is_string() || option.is_boolean();
        let single = [rule.not, rule.condition, rule.then, rule.items, rule.property_names, rule.additional];
        let lists = [&rule.all_of, &rule.any_of, &rule.one_of, &rule.first_items];
        let others = single.into_iter().flatten().chain(lists.into_iter().flatten().copied());
        rule.types.is_empty()
            && rule.bounds == (None, None)
            && !rule.is_unique
            && !rule.has_no_unevaluated
            && rule.options.iter().flatten().all(is_simple)
            && others.chain(rule.properties.values().copied()).all(|rule| self.is_sure(rule, depth))
    }

    /// True only for a tree that follows the schema.
    pub(super) fn accepts(&self, node: &Node) -> bool {
        self.holds(0, node)
    }

    fn holds(&self, rule: usize, node: &Node) -> bool {
        let Some(rule) = self.rules.get(rule) else { return false };
        let count = |rules: &[usize]| rules.iter().filter(|rule| self.holds(**rule, node)).count();
        rule.types.iter().all(|_| rule.types.iter().any(|kind| is_kind(node, kind)))
            && rule.options.as_ref().is_none_or(|options| options.iter().any(|option| is_equal(node, option)))
            && rule.all_of.iter().all(|rule| self.holds(*rule, node))
            && (rule.any_of.is_empty() || count(&rule.any_of) > 0)
            && (rule.one_of.is_empty() || count(&rule.one_of) == 1)
            && match &node.value {
                Value::Text(text) => rule.takes_text(text),
                Value::Integer(value) => rule.takes_number(*value as f64),
                Value::Float(value) => value.is_finite() && rule.takes_number(*value),
                Value::List(items) => self.takes_list(rule, items),
                Value::Map(entries) => self.takes_map(rule, node, entries),
                Value::Null | Value::Bool(_) => true,
            }
            && self.takes_condition(rule, node)
    }

    fn takes_condition(&self, rule: &Rule, node: &Node) -> bool {
        let is_refused = |number: usize| !self.holds(number, node);
        let has_condition = rule.condition.is_some_and(|condition| self.holds(condition, node));
        rule.not.is_none_or(is_refused)
            && (rule.condition.is_none()
                || !has_condition
                || rule.then.is_none_or(|then| self.holds(then, node)))
    }

    fn takes_list(&self, rule: &Rule, items: &[Node]) -> bool {
        let n_first = rule.first_items.len();
        items.len() >= rule.min_items
            && rule.max_items.is_none_or(|max| items.len() <= max)
            && (!rule.is_unique || are_distinct(items))
            && items.iter().zip(&rule.first_items).all(|(item, rule)| self.holds(*rule, item))
            && rule.items.is_none_or(|rule| items.iter().skip(n_first).all(|item| self.holds(rule, item)))
    }

    fn takes_map(&self, rule: &Rule, node: &Node, entries: &[Entry]) -> bool {
        let has = |name: &String| node.get(name).is_some();
        rule.required.iter().all(has)
            && rule.dependent.iter().all(|(name, needed)| !has(name) || needed.iter().all(has))
            && entries.iter().all(|entry| self.takes_entry(rule, entry))
    }

    fn takes_entry(&self, rule: &Rule, entry: &Entry) -> bool {
        let name_follows = || match rule.property_names {
            Some(names) => {
                self.holds(names, &Node { line: entry.line, value: Value::Text(entry.key.clone()) })
            }
            None => true,
        };
        let value_follows = match (rule.properties.get(&entry.key).copied(), rule.additional) {
            (Some(rule), _) | (None, Some(rule)) => self.holds(rule, &entry.node),
            (None, None) => !rule.has_no_additional,
        };
        value_follows && name_follows() && (!rule.has_no_unevaluated || self.names(rule, &entry.key))
    }

    /// True if a rule, or one that it includes, says something of a key.
    fn names(&self, rule: &Rule, key: &str) -> bool {
        let included = |number: &usize| self.rules.get(*number).is_some_and(|rule| self.names(rule, key));
        rule.properties.contains_key(key) || rule.additional.is_some() || rule.all_of.iter().any(included)
    }
}

impl Rule {
    fn takes_text(&self, text: &str) -> bool {
        (self.min_length == 0 || text.chars().count() >= self.min_length)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text.as_bytes()))
    }

    fn takes_number(&self, value: f64) -> bool {
        self.bounds.0.is_none_or(|min| value >= min) && self.bounds.1.is_none_or(|max| value <= max)
    }
}

fn is_kind(node: &Node, kind: &str) -> bool {
    match &node.value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Integer(_) | Value::Float(_) => kind == "number",
        Value::Text(_) => kind == "string",
        Value::List(_) => kind == "array",
        Value::Map(_) => kind == "object",
    }
}

fn is_equal(node: &Node, option: &Json) -> bool {
    match (&node.value, option) {
        (Value::Text(text), Json::String(option)) => text == option,
        (Value::Bool(value), Json::Bool(option)) => value == option,
        (Value::Integer(value), Json::Number(option)) => option.as_i64() == Some(*value),
        _ => false,
    }
}

/// True for distinct texts; of other lists it is not sure.
fn are_distinct(items: &[Node]) -> bool {
    let mut seen = HashSet::new();
    items.iter().all(|item| item.text().is_some_and(|text| seen.insert(text)))
}

struct Compiler<'s> {
    schema: &'s Json,
    rules: Vec<Rule>,
    by_pointer: HashMap<String, usize>,
}

impl Compiler<'_> {
    /// The number of the rule of a schema object.
    fn rule(&mut self, pointer: &str, schema: &Json) -> Option<usize> {
        if let Some(known) = self.by_pointer.get(pointer) {
            return Some(*known);
        }
        let number = self.rules.len();
        self.rules.push(Rule::default());
        self.by_pointer.insert(pointer.to_owned(), number);
        let rule = self.read(pointer, schema.as_object()?)?;
        *self.rules.get_mut(number)? = rule;
        Some(number)
    }

    fn read(&mut self, pointer: &str, schema: &Map<String, Json>) -> Option<Rule> {
        let mut rule = Rule::default();
        for (keyword, value) in schema {
            let at = format!("{pointer}/{keyword}");
            match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "default" => {}
                "$ref" => {
                    let target = value.as_str()?.strip_prefix('#')?;
                    let schema = self.schema;
                    rule.all_of.push(self.rule(target, schema.pointer(target)?)?);
                }
                "allOf" => rule.all_of.extend(self.list(&at, value)?),
                "anyOf" => rule.any_of = self.list(&at, value)?,
                "oneOf" => rule.one_of = self.list(&at, value)?,
                "not" => rule.not = Some(self.rule(&at, value)?),
                "if" => rule.condition = Some(self.rule(&at, value)?),
                "then" => rule.then = Some(self.rule(&at, value)?),
                "items" => rule.items = Some(self.rule(&at, value)?),
                "prefixItems" => rule.first_items = self.list(&at, value)?,
                "propertyNames" => rule.property_names = Some(self.rule(&at, value)?),
                "properties" => {
                    for (name, schema) in value.as_object()? {
                        let number = self.rule(&format!("{at}/{name}"), schema)?;
                        rule.properties.insert(name.clone(), number);
                    }
                }
                "additionalProperties" if value == false => rule.has_no_additional = true,
                "additionalProperties" => rule.additional = Some(self.rule(&at, value)?),
                "unevaluatedProperties" if value == false => rule.has_no_unevaluated = true,
                _ => rule.read_simple(keyword, value)?,
            }
        }
        Some(rule)
    }

    fn list(&mut self, pointer: &str, schemas: &Json) -> Option<Vec<usize>> {
        let schemas = schemas.as_array()?.iter().enumerate();
        schemas.map(|(number, schema)| self.rule(&format!("{pointer}/{number}"), schema)).collect()
    }
}

impl Rule {
    /// Reads a keyword that needs no other rule; `None` for one that is not known.
    fn read_simple(&mut self, keyword: &str, value: &Json) -> Option<()> {
        let number = || value.as_u64().and_then(|number| usize::try_from(number).ok());
        match keyword {
            "type" => {
                let types = match value {
                    Json::String(kind) => vec![kind.clone()],
                    other => texts(other)?,
                };
                let known = ["null", "boolean", "number", "string", "array", "object"];
                self.types = types.iter().all(|kind| known.contains(&kind.as_str())).then_some(types)?;
            }
            "const" => self.options = Some(vec![value.clone()]),
            "enum" => self.options = Some(value.as_array()?.clone()),
            // Without Unicode, as in the dialect of JSON Schema: `\w` and `\d` are of ASCII.
            "pattern" => self.pattern = Some(RegexBuilder::new(value.as_str()?).unicode(false).build().ok()?),
            "minLength" => self.min_length = number()?,
            "minimum" => self.bounds.0 = Some(value.as_f64()?),
            "maximum" => self.bounds.1 = Some(value.as_f64()?),
            "minItems" => self.min_items = number()?,
            "maxItems" => self.max_items = Some(number()?),
            "uniqueItems" => self.is_unique = value.as_bool()?,
            "required" => self.required = texts(value)?,
            "dependentRequired" => {
                let needs =
                    value.as_object()?.iter().map(|(name, needed)| Some((name.clone(), texts(needed)?)));
                self.dependent = needs.collect::<Option<_>>()?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::SCHEMA;

    fn quick() -> Quick {
        Quick::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap()
    }

    #[test]
    fn entries_of_every_kind_are_accepted_at_once() {
        let text = "version: 1
defaults: {license: CC-BY-4.0, keywords: [a, b]}
collections: [{id: c, description: C.}]
datasets:
  - {id: a, title: T, collection: big, source: {paths: [a.nc]}, spatial: {bbox: [-1.5, 0, 1, 2]},
     temporal: ['1981-04-23T16:00:00Z', '1981-04-24T16:00:00Z'], attributes: {global: {s: M, n: 1, l: [1, 2.5]}}}
  - {id: b, source: {urls: ['s3://b/c']}, attributes: {encoding: true, variables: {t: {scale_factor: 0.1}}}}
families: [{id: 'x.{m}', source: {paths: ['{m}.nc']}, fields: {m: a}, aggregate: {join: time}}]
harvest: [{id: h, source: {prefix: 's3://b/c/', include: ['*.h5']}, every: 1h, providers: [{name: N, roles: [host]}]}]
";
        assert!(quick().accepts(&crate::yaml::parse(text).unwrap()));
    }

    #[test]
    fn keywords_that_are_not_known_are_left_to_the_validator() {
        for schema in [
            r#"{"contains": {}}"#,
            r#"{"properties": {"a": {"multipleOf": 2}}}"#,
            r#"{"not": {"type": "number"}}"#,
            r#"{"type": "integer"}"#,
        ] {
            assert!(Quick::new(&serde_json::from_str(schema).unwrap()).is_none(), "{schema}");
        }
    }

    /// Trees of the words of the schema, most of them with mistakes.
    fn tree() -> impl Strategy<Value = Node> {
        let words = "version|datasets|defaults|families|harvest|collections|id|source|paths|urls|prefix|include|root|title|
            attributes|global|variables|encoding|scale_factor|spatial|bbox|geometry|footprint|temporal|aggregate|join|new|
            values|a.nc|s3://b/c|x.{m}|1h|host|providers|name|roles|keywords|2000-01-01T00:00:00Z|fields|hidden";
        let words: Vec<String> = words.split('|').map(|word| word.trim().to_owned()).collect();
        let word = proptest::sample::select(words);
        let leaf = prop_oneof![
            word.clone().prop_map(Value::Text),
            (-3..3_i64).prop_map(Value::Integer),
            prop_oneof![Just(0.5), Just(1.0), Just(f64::INFINITY), Just(100.0)].prop_map(Value::Float),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
        ];
        let node = |value| Node { line: 1, value };
        leaf.prop_map(node).prop_recursive(5, 60, 5, move |inner| {
            let map = proptest::collection::btree_map(word.clone(), inner.clone(), 0..5).prop_map(|map| {
                let entry = |(key, node)| Entry { key, line: 1, node };
                Value::Map(map.into_iter().map(entry).collect())
            });
            let list = proptest::collection::vec(inner, 0..5).prop_map(Value::List);
            prop_oneof![map, list].prop_map(node)
        })
    }

    #[test]
    fn nothing_is_accepted_that_the_validator_refuses() {
        let schema: Json = serde_json::from_str(SCHEMA).unwrap();
        let quick = quick();
        // Every rule is compared by itself: few whole files come of chance.
        for part in ["common", "source", "aggregate", "attributes", "spatial", "provider", "plot"] {
            let mut schema = schema.clone();
            let root = schema.as_object_mut().unwrap();
            root.retain(|key, _| key == "$defs");
            root.insert("$ref".to_owned(), format!("#/$defs/{part}").into());
            let (quick, validator) =
                (Quick::new(&schema).unwrap(), jsonschema::draft202012::new(&schema).unwrap());
            proptest!(ProptestConfig::with_cases(300), |(node in tree())| {
                prop_assert!(!quick.accepts(&node) || validator.is_valid(&node.json()), "{part}: {node:?}");
            });
        }
        let mutations = [
            ("id: a", "id: .a"),
            ("version: 1", "version: 2"),
            ("[-1, 0, 1, 2]", "[-1, 0, 1]"),
            ("[-1, 0, 1, 2]", "[-1, 0, 1, 200]"),
            ("paths: [a.nc]", "paths: []"),
            ("paths: [a.nc]", "paths: [a, a]"),
            ("paths: [a.nc]", "paths: [a], store: b"),
            ("host", "owner"),
            ("every: 1h", "every: soon"),
            ("{x: {units: K}}", "{x: {dtype: K}}"),
            ("title: T", "titel: T"),
            ("title: T", "title: ''"),
            ("{id: h,", "{"),
            ("{join: time}", "{}"),
            ("{join: time}", "{new: run}"),
        ];
        let text = "version: 1
datasets: [{id: a, title: T, source: {paths: [a.nc]}, spatial: {bbox: [-1, 0, 1, 2]}, attributes: {variables: {x: {units: K}}}}]
families: [{id: 'x.{m}', source: {paths: ['{m}.nc']}, aggregate: {join: time}}]
harvest: [{id: h, source: {prefix: 'c/'}, every: 1h, providers: [{name: N, roles: [host]}]}]
";
        assert!(quick.accepts(&crate::yaml::parse(text).unwrap()));
        for (from, to) in mutations {
            assert!(text.contains(from), "{from}");
            assert!(!quick.accepts(&crate::yaml::parse(&text.replace(from, to)).unwrap()), "{to}");
        }
    }
}
