//! CQL2 text as CQL2 JSON.
//!
//! # Source
//! OGC 21-065r2, annex B (BNF). Loosest to tightest: OR, AND, NOT, predicates, `+ -`, `* / % DIV`, `^`, sign.

use serde_json::{Value, json};

use super::tokens::{Placed, Token, tokens};
use super::{MAX_DEPTH, too_deep};
use crate::problem::{Parsed, StacProblem};

/// Geometries of well-known text, with how many lists their positions lie in.
const GEOMETRIES: [(&str, &str, usize); 6] = [
    ("POINT", "Point", 0),
    ("LINESTRING", "LineString", 1),
    ("POLYGON", "Polygon", 2),
    ("MULTIPOINT", "MultiPoint", 1),
    ("MULTILINESTRING", "MultiLineString", 2),
    ("MULTIPOLYGON", "MultiPolygon", 3),
];

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// The filter as JSON.
pub(super) fn parse(text: &str) -> Parsed<Value> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let value = parser.either()?;
    match parser.peek() {
        Token::End => Ok(value),
        _ => Err(parser.unexpected("AND, OR or the end")),
    }
}

/// Reads words from first to last.
struct Parser<'a> {
    tokens: &'a [Placed],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn unexpected(&self, wanted: &str) -> StacProblem {
        let last = self.tokens.last().map_or(1, |(position, _)| *position);
        let position = self.tokens.get(self.at).map_or(last, |(position, _)| *position);
        let found = match self.peek() {
            Token::Name(name) | Token::Quoted(name) => {
                format!("'{}'", name.chars().take(50).collect::<String>())
            }
            Token::Text(_) => "a text".to_owned(),
            Token::Number(number) => number.to_string(),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::End => "the end".to_owned(),
        };
        StacProblem::invalid(format!(
            "the filter does not parse: {found} at character {position}, where {wanted} belongs"
        ))
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_there = self.is_keyword(keyword);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn sign(&mut self, sign: &str) -> Parsed<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    /// Reads something that may hold itself.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn either(&mut self) -> Parsed<Value> {
        let mut members = vec![self.all()?];
        while self.take_keyword("OR") {
            members.push(self.all()?);
        }
        Ok(joined("or", members))
    }

    fn all(&mut self) -> Parsed<Value> {
        let mut members = vec![self.negated()?];
        while self.take_keyword("AND") {
            members.push(self.negated()?);
        }
        Ok(joined("and", members))
    }

    fn negated(&mut self) -> Parsed<Value> {
        if self.take_keyword("NOT") {
            return Ok(not(self.deeper(Self::negated)?));
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Parsed<Value> {
        let value = self.sum()?;
        if let Token::Sign(sign) = self.peek()
            && let Some(op) = COMPARISONS.into_iter().find(|op| op == sign)
        {
            self.at += 1;
            return Ok(json!({"op": op, "args": [value, self.sum()?]}));
        }
        if self.take_keyword("IS") {
            let is_negated = self.take_keyword("NOT");
            if !self.take_keyword("NULL") {
                return Err(self.unexpected("NULL"));
            }
            return Ok(negated_if(is_negated, json!({"op": "isNull", "args": [value]})));
        }
        let is_negated = self.take_keyword("NOT");
        let found = if self.take_keyword("LIKE") {
            json!({"op": "like", "args": [value, self.sum()?]})
        } else if self.take_keyword("BETWEEN") {
            let low = self.sum()?;
            if !self.take_keyword("AND") {
                return Err(self.unexpected("AND"));
            }
            json!({"op": "between", "args": [value, low, self.sum()?]})
        } else if self.take_keyword("IN") {
            self.sign("(")?;
            json!({"op": "in", "args": [value, self.list(Self::sum)?]})
        } else if is_negated {
            return Err(self.unexpected("LIKE, BETWEEN or IN"));
        } else {
            return Ok(value);
        };
        Ok(negated_if(is_negated, found))
    }

    fn sum(&mut self) -> Parsed<Value> {
        self.chain(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Parsed<Value> {
        self.chain(&["*", "/", "%", "div"], Self::power)
    }

    fn power(&mut self) -> Parsed<Value> {
        self.chain(&["^"], Self::signed)
    }

    /// Operators of one rank, from left to right.
    fn chain(&mut self, ops: &[&str], read: fn(&mut Self) -> Parsed<Value>) -> Parsed<Value> {
        let mut value = read(self)?;
        for _ in 0..MAX_DEPTH {
            let found = ops.iter().find(|op| self.take_sign(op) || (**op == "div" && self.take_keyword(op)));
            let Some(op) = found else { return Ok(value) };
            value = json!({"op": op, "args": [value, read(self)?]});
        }
        Err(too_deep())
    }

    fn signed(&mut self) -> Parsed<Value> {
        if self.take_sign("+") {
            return self.deeper(Self::signed);
        }
        if !self.take_sign("-") {
            return self.primary();
        }
        let value = self.deeper(Self::signed)?;
        Ok(match value.as_f64() {
            Some(number) => json!(-number),
            None => json!({"op": "*", "args": [-1.0, value]}),
        })
    }

    fn primary(&mut self) -> Parsed<Value> {
        let token = self.peek().clone();
        let value = match token {
            Token::Number(number) => json!(number),
            Token::Text(text) => Value::String(text),
            Token::Quoted(name) => json!({"property": name}),
            Token::Sign("(") => {
                self.at += 1;
                let value = self.deeper(Self::either)?;
                self.sign(")")?;
                return Ok(value);
            }
            Token::Name(name) => return self.named(&name),
            _ => return Err(self.unexpected("a property, a value or '('")),
        };
        self.at += 1;
        Ok(value)
    }

    /// What begins with a name: a constant, a geometry, a function, a property.
    fn named(&mut self, name: &str) -> Parsed<Value> {
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "TRUE" | "FALSE" => {
                self.at += 1;
                return Ok(Value::Bool(upper == "TRUE"));
            }
            "AND" | "OR" | "NOT" | "LIKE" | "BETWEEN" | "IN" | "IS" | "NULL" | "DIV" => {
                return Err(self.unexpected("a property or a value (names of properties may stand in \"\")"));
            }
            _ => {}
        }
        let start = self.at;
        self.at += 1;
        if let Some(geometry) = self.geometry(&upper)? {
            return Ok(geometry);
        }
        self.at = start + 1;
        if !self.take_sign("(") {
            return Ok(json!({"property": name}));
        }
        let args =
            if self.take_sign(")") { Vec::new() } else { self.deeper(|parser| parser.list(Self::either))? };
        Ok(call(name, &upper, args))
    }

    /// What stands between parentheses, of which the first is taken.
    fn list(&mut self, read: fn(&mut Self) -> Parsed<Value>) -> Parsed<Vec<Value>> {
        let mut members = vec![read(self)?];
        while self.take_sign(",") {
            members.push(read(self)?);
        }
        self.sign(")")?;
        Ok(members)
    }

    /// A geometry of well-known text whose name is taken; `None` if the name means something else.
    fn geometry(&mut self, name: &str) -> Parsed<Option<Value>> {
        let is_collection = name == "GEOMETRYCOLLECTION";
        let known = GEOMETRIES.into_iter().find(|(wkt, _, _)| *wkt == name);
        if known.is_none() && !is_collection {
            return Ok(None);
        }
        let has_tag = ["Z", "M", "ZM"].into_iter().any(|tag| self.take_keyword(tag));
        if self.is_keyword("EMPTY") {
            return Err(self.unexpected("a position"));
        }
        if !self.take_sign("(") {
            return if has_tag { Err(self.unexpected("'('")) } else { Ok(None) };
        }
        let Some((_, geojson, rank)) = known else {
            let members = self.deeper(|parser| parser.list(Self::member))?;
            return Ok(Some(json!({"type": "GeometryCollection", "geometries": members})));
        };
        let coordinates = match geojson {
            "Point" => {
                let position = self.position()?;
                self.sign(")")?;
                position
            }
            "MultiPoint" => Value::Array(self.list(Self::point_of_many)?),
            _ => self.positions(rank)?,
        };
        Ok(Some(json!({"type": geojson, "coordinates": coordinates})))
    }

    fn member(&mut self) -> Parsed<Value> {
        let Token::Name(name) = self.peek().clone() else {
            return Err(self.unexpected("a geometry"));
        };
        self.at += 1;
        match self.geometry(&name.to_ascii_uppercase())? {
            Some(geometry) => Ok(geometry),
            None => Err(self.unexpected("a geometry")),
        }
    }

    /// Positions in `rank` lists, of which the first parenthesis is taken.
    fn positions(&mut self, rank: usize) -> Parsed<Value> {
        let mut members = Vec::new();
        loop {
            members.push(if rank == 1 {
                self.position()?
            } else {
                self.sign("(")?;
                self.positions(rank - 1)?
            });
            if !self.take_sign(",") {
                self.sign(")")?;
                return Ok(Value::Array(members));
            }
        }
    }

    /// `1 2` or `(1 2)`.
    fn point_of_many(&mut self) -> Parsed<Value> {
        if !self.take_sign("(") {
            return self.position();
        }
        let position = self.position()?;
        self.sign(")")?;
        Ok(position)
    }

    fn position(&mut self) -> Parsed<Value> {
        let mut numbers = Vec::new();
        while numbers.len() < 4 {
            let is_negative = self.take_sign("-");
            let Token::Number(number) = *self.peek() else {
                if is_negative || numbers.len() < 2 {
                    return Err(self.unexpected("a number"));
                }
                break;
            };
            self.at += 1;
            numbers.push(if is_negative { -number } else { number });
        }
        Ok(json!(numbers))
    }
}

/// A function as JSON writes it.
fn call(name: &str, upper: &str, mut args: Vec<Value>) -> Value {
    match upper {
        "INTERVAL" => json!({"interval": args}),
        "BBOX" => json!({"bbox": args}),
        "TIMESTAMP" | "DATE" if args.len() == 1 => {
            let key = upper.to_ascii_lowercase();
            json!({key: args.pop()})
        }
        _ => json!({"op": name, "args": args}),
    }
}

fn joined(op: &str, mut members: Vec<Value>) -> Value {
    match (members.len(), members.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            members.push(last);
            json!({"op": op, "args": members})
        }
        (_, None) => Value::Null,
    }
}

fn not(value: Value) -> Value {
    json!({"op": "not", "args": [value]})
}

fn negated_if(is_negated: bool, value: Value) -> Value {
    if is_negated { not(value) } else { value }
}
