//! What an operator may be given: the same rules for values at run time and for declared types before.

use minijinja::{
    Environment, Error, ErrorKind, Value, filters,
    value::{Kwargs, ValueKind},
};

/// The deepest nesting of lists and objects that are compared.
const MAX_DEPTH: usize = 64;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Type {
    /// Nothing where a value is not there; that has an error of its own.
    fn of(value: &Value) -> Option<Self> {
        Some(match value.kind() {
            ValueKind::None => Self::Null,
            ValueKind::Bool => Self::Boolean,
            ValueKind::Number => Self::Number,
            ValueKind::String => Self::Text,
            ValueKind::Seq | ValueKind::Iterable => Self::List,
            ValueKind::Map => Self::Object,
            _ => return None,
        })
    }

    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null (no value)",
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// An operator of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Concatenate,
}

impl Operator {
    pub(crate) const ALL: [Self; 15] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::FloorDivide,
        Self::Remainder,
        Self::Power,
        Self::Concatenate,
    ];

    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::Concatenate => "~",
        }
    }

    /// The name of its check among the functions; no definition can write it.
    pub(super) fn check_name(self) -> &'static str {
        match self {
            Self::Equal => " ==",
            Self::NotEqual => " !=",
            Self::Less => " <",
            Self::LessOrEqual => " <=",
            Self::Greater => " >",
            Self::GreaterOrEqual => " >=",
            Self::In => " in",
            Self::Add => " +",
            Self::Subtract => " -",
            Self::Multiply => " *",
            Self::Divide => " /",
            Self::FloorDivide => " //",
            Self::Remainder => " %",
            Self::Power => " **",
            Self::Concatenate => " ~",
        }
    }

    /// Checks the types of its operands: null is like everything where it is asked whether two are equal, and like nothing else.
    pub(crate) fn check(self, left: Type, right: Type) -> Result<(), String> {
        use Type::{List, Null, Number, Object, Text};
        let fits = match self {
            Self::Equal | Self::NotEqual => left == right || left == Null || right == Null,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => {
                left == right && matches!(left, Number | Text)
            }
            Self::In => right == List || (left == Text && matches!(right, Text | Object)),
            Self::Add => left == right && matches!(left, Number | Text | List),
            // A text or a list times a number repeats it.
            Self::Multiply => matches!((left, right), (Number | Text | List, Number) | (Number, Text | List)),
            Self::Subtract | Self::Divide | Self::FloorDivide | Self::Remainder | Self::Power => {
                left == Number && right == Number
            }
            Self::Concatenate => left != Null && right != Null,
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{} has {} on its left and {} on its right", self.sign(), left.name(), right.name())),
        }
    }

    /// Checks its operands, with all that is in them.
    pub(super) fn check_values(self, left: &Value, right: &Value) -> Result<(), String> {
        let (Some(left_type), Some(right_type)) = (Type::of(left), Type::of(right)) else {
            return Ok(());
        };
        self.check(left_type, right_type)?;
        match self {
            Self::Equal | Self::NotEqual => check_alike(left, right, MAX_DEPTH),
            Self::In if right_type == Type::List => {
                elements(right).try_for_each(|each| check_alike(left, &each, MAX_DEPTH))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that two values can be equal, with all that is in them.
fn check_alike(left: &Value, right: &Value, depth: usize) -> Result<(), String> {
    let (Some(left_type), Some(right_type)) = (Type::of(left), Type::of(right)) else {
        return Ok(());
    };
    Operator::Equal
        .check(left_type, right_type)
        .map_err(|_| format!("it compares {} with {}", left_type.name(), right_type.name()))?;
    if left_type != right_type || !matches!(left_type, Type::List | Type::Object) {
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("it compares values that are nested more than {MAX_DEPTH} deep"));
    };
    match left_type {
        Type::List => elements(left).zip(elements(right)).try_for_each(|(a, b)| check_alike(&a, &b, depth)),
        _ => elements(left).try_for_each(|key| match (left.get_item(&key), right.get_item(&key)) {
            (Ok(a), Ok(b)) => check_alike(&a, &b, depth),
            _ => Ok(()),
        }),
    }
}

/// The elements of a list, or the keys of an object.
fn elements(value: &Value) -> impl Iterator<Item = Value> {
    value.try_iter().into_iter().flatten()
}

/// Checks that values can be put into an order: all numbers, or all texts.
fn check_orderable(values: impl Iterator<Item = Value>) -> Result<(), String> {
    let mut first = None;
    for value in values {
        let Some(value) = Type::of(&value) else { continue };
        let first = *first.get_or_insert(value);
        if Operator::Less.check(first, value).is_err() {
            return Err(format!("its list has {} and {}, which have no order", first.name(), value.name()));
        }
    }
    Ok(())
}

/// Adds the checks, and the tests and filters that compare.
pub(super) fn add_checks(environment: &mut Environment<'static>) {
    for operator in Operator::ALL {
        // The operands are unpacked in reverse.
        environment.add_function(operator.check_name(), move |left: Value, right: Value| {
            operator.check_values(&left, &right).map_err(invalid).map(|()| Value::from(vec![right, left]))
        });
    }
    environment.add_function(NEGATE, |value: Value| match Type::of(&value) {
        Some(found) if found != Type::Number => Err(invalid(format!("- stands before {}", found.name()))),
        _ => Ok(value),
    });
    add_tests(environment);
    environment.add_filter("sort", |state: &minijinja::State, value: Value, options: Kwargs| {
        check_order_of(&value, &options)?;
        filters::sort(state, value, options)
    });
    environment.add_filter("min", |state: &minijinja::State, value: Value, options: Kwargs| {
        check_order_of(&value, &options)?;
        filters::min(state, value, options)
    });
    environment.add_filter("max", |state: &minijinja::State, value: Value, options: Kwargs| {
        check_order_of(&value, &options)?;
        filters::max(state, value, options)
    });
}

/// The name of the check of a sign before a number.
pub(super) const NEGATE: &str = " neg";

fn add_tests(environment: &mut Environment<'static>) {
    use Operator::*;
    type Answer = fn(&Value, &Value) -> bool;
    let tests: [(&[&'static str], Operator, Answer); 6] = [
        (&["eq", "equalto", "=="], Equal, |a, b| a == b),
        (&["ne", "!="], NotEqual, |a, b| a != b),
        (&["lt", "lessthan", "<"], Less, |a, b| a < b),
        (&["le", "<="], LessOrEqual, |a, b| a <= b),
        (&["gt", "greaterthan", ">"], Greater, |a, b| a > b),
        (&["ge", ">="], GreaterOrEqual, |a, b| a >= b),
    ];
    for (names, operator, answer) in tests {
        for name in names {
            environment.add_test(*name, move |left: &Value, right: &Value| {
                operator.check_values(left, right).map_err(invalid).map(|()| answer(left, right))
            });
        }
    }
    environment.add_test("in", |state: &minijinja::State, left: &Value, right: &Value| {
        In.check_values(left, right).map_err(invalid)?;
        minijinja::tests::is_in(state, left, right)
    });
}

fn check_order_of(value: &Value, options: &Kwargs) -> Result<(), Error> {
    let attributes = options.peek::<Option<&str>>("attribute").ok().flatten();
    let Some(attributes) = attributes else {
        return check_orderable(elements(value)).map_err(invalid);
    };
    attributes.split(',').map(str::trim).try_for_each(|path| {
        let of = |each: Value| path.split('.').try_fold(each, |value, name| value.get_attr(name).ok());
        check_orderable(elements(value).filter_map(of)).map_err(invalid)
    })
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}
