//! Expressions inside `{{ }}`: names, integers, texts, arithmetic, calls of templates.

use std::collections::BTreeMap;

use thermocline_core::Result;

use crate::document::refused;

/// Deepest nesting of parentheses and calls.
const MAX_DEPTH: usize = 16;

/// A value of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Term {
    /// The value as it is written into a text.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// What names mean.
pub(crate) type Names = BTreeMap<String, Term>;

/// Gives the value of a name, or of a template called with arguments.
pub(crate) trait Scope {
    /// The value of `name`; `arguments` are given when it is called.
    fn value(&self, name: &str, arguments: Option<&Names>, depth: usize) -> Result<Term>;
}

/// Evaluates an expression.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Refused`] for anything outside of the subset.
pub(crate) fn evaluate(text: &str, scope: &dyn Scope, depth: usize) -> Result<Term> {
    let mut parser = Parser { rest: text, whole: text, scope, depth };
    let term = parser.sum()?;
    parser.skip_blanks();
    if parser.rest.is_empty() { Ok(term) } else { Err(parser.error()) }
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
    scope: &'a dyn Scope,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self) -> thermocline_core::Error {
        refused(format!("template expression {:?} is not understood at {:?}", self.whole, self.rest))
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Result<Term> {
        let mut left = self.product()?;
        loop {
            let operation: fn(i64, i64) -> Option<i64> = if self.eat("+") {
                i64::checked_add
            } else if self.eat("-") {
                i64::checked_sub
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = self.apply(left, right, operation)?;
        }
    }

    fn product(&mut self) -> Result<Term> {
        let mut left = self.unary()?;
        loop {
            let operation: fn(i64, i64) -> Option<i64> = if self.eat("*") {
                i64::checked_mul
            } else if self.eat("//") {
                floor_div
            } else if self.eat("/") {
                exact_div
            } else if self.eat("%") {
                floor_mod
            } else {
                return Ok(left);
            };
            let right = self.unary()?;
            left = self.apply(left, right, operation)?;
        }
    }

    fn apply(&self, left: Term, right: Term, operation: fn(i64, i64) -> Option<i64>) -> Result<Term> {
        match (left, right) {
            (Term::Integer(left), Term::Integer(right)) => {
                operation(left, right).map(Term::Integer).ok_or_else(|| self.error())
            }
            _ => Err(self.error()),
        }
    }

    fn unary(&mut self) -> Result<Term> {
        if !self.eat("-") {
            return self.primary();
        }
        let term = self.primary()?;
        self.apply(Term::Integer(0), term, i64::checked_sub)
    }

    fn primary(&mut self) -> Result<Term> {
        self.skip_blanks();
        match self.rest.chars().next() {
            Some('(') => self.parenthesis(),
            Some(quote @ ('\'' | '"')) => self.text(quote),
            Some(first) if first.is_ascii_digit() => self.integer(),
            Some(first) if first.is_alphabetic() || first == '_' => self.name(),
            _ => Err(self.error()),
        }
    }

    fn parenthesis(&mut self) -> Result<Term> {
        self.eat("(");
        self.descend()?;
        let term = self.sum()?;
        self.depth -= 1;
        if self.eat(")") { Ok(term) } else { Err(self.error()) }
    }

    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(refused("templates nest too deeply")) } else { Ok(()) }
    }

    fn text(&mut self, quote: char) -> Result<Term> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let (text, rest) = inner.split_once(quote).ok_or_else(|| self.error())?;
        self.rest = rest;
        Ok(Term::Text(text.to_owned()))
    }

    /// The characters from here on that `belongs` accepts.
    fn span(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (span, rest) = self.rest.split_at(end);
        self.rest = rest;
        span
    }

    fn integer(&mut self) -> Result<Term> {
        let digits = self.span(|c| c.is_ascii_digit());
        digits.parse().map(Term::Integer).map_err(|_| self.error())
    }

    fn name(&mut self) -> Result<Term> {
        let name = self.span(|c| c.is_alphanumeric() || c == '_');
        self.descend()?;
        let arguments = if self.eat("(") { Some(self.arguments()?) } else { None };
        let value = self.scope.value(name, arguments.as_ref(), self.depth);
        self.depth -= 1;
        value
    }

    fn arguments(&mut self) -> Result<Names> {
        let mut arguments = Names::new();
        while !self.eat(")") {
            self.skip_blanks();
            let name = self.span(|c| c.is_alphanumeric() || c == '_').to_owned();
            if name.is_empty() || !self.eat("=") {
                return Err(self.error());
            }
            let value = self.sum()?;
            arguments.insert(name, value);
            self.eat(",");
        }
        Ok(arguments)
    }
}

fn floor_div(left: i64, right: i64) -> Option<i64> {
    let remainder = floor_mod(left, right)?;
    left.checked_sub(remainder)?.checked_div(right)
}

/// Division where nothing remains: Jinja would give a fraction otherwise, which is no byte count.
fn exact_div(left: i64, right: i64) -> Option<i64> {
    (left.checked_rem(right)? == 0).then(|| left.checked_div(right)).flatten()
}

fn floor_mod(left: i64, right: i64) -> Option<i64> {
    let remainder = left.checked_rem(right)?;
    let is_opposed = remainder != 0 && (remainder < 0) != (right < 0);
    if is_opposed { remainder.checked_add(right) } else { Some(remainder) }
}
