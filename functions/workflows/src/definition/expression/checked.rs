//! Expressions and texts as they are evaluated: before each operator stands the check of its operands.

use std::{collections::BTreeMap, sync::LazyLock};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    machinery::{self, CodeGenerator, Instruction, Instructions},
    value::ValueKind,
};

use super::{
    operands::{self, NEGATE, Operator},
    words::in_one_line,
};

/// The most steps of one evaluation.
const FUEL: u64 = 50_000;
/// The most bytes of a rendered text.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// Where the bytes of a rendered text are counted.
const WRITTEN: &str = "written";
/// The name of a text in its errors, which nobody sees.
const NAME: &str = "text";

/// Where a program reads the text: null is an error, since no text says what it is.
static FOR_PROGRAMS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment(|value| match value.is_none() {
        true => Err("it has no value (null); say what stands for it, as in {{ input.name or 'none' }}".to_owned()),
        false => Ok(value.to_string()),
    })
});

/// Where what is filled in comes from one person and is read by another.
static FOR_PEOPLE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment(|value| match value.is_none() {
        true => Ok("(no value)".to_owned()),
        false => Ok(in_one_line(&value.to_string())),
    })
});

/// The reader of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Program,
    Person,
}

impl Reader {
    fn environment(self) -> &'static Environment<'static> {
        match self {
            Self::Program => &FOR_PROGRAMS,
            Self::Person => &FOR_PEOPLE,
        }
    }
}

fn environment(text_of: impl Fn(&Value) -> Result<String, String> + Send + Sync + 'static) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(move |output, state, value| {
        if value.kind() == ValueKind::Bytes {
            return write(output, state, &String::from_utf8_lossy(value.as_bytes().unwrap_or_default()));
        }
        let text = text_of(value).map_err(|reason| Error::new(ErrorKind::InvalidOperation, reason))?;
        write(output, state, &text)
    });
    operands::add_checks(&mut environment);
    environment
}

/// Writes a part of a text, as long as it stays small enough.
fn write(output: &mut Output<'_>, state: &mut State<'_, '_>, text: &str) -> Result<(), Error> {
    let written = state.get_temp(WRITTEN).and_then(|bytes| bytes.as_usize()).unwrap_or(0) + text.len();
    if written > MAX_TEXT {
        return Err(Error::new(ErrorKind::WriteFailure, format!("it becomes longer than {MAX_TEXT} bytes")));
    }
    state.set_temp(WRITTEN, Value::from(written));
    Ok(output.write_str(text)?)
}

/// Parses an expression.
pub(super) fn parse(source: &str) -> Result<machinery::ast::Expr<'_>, Error> {
    machinery::parse_expr(source)
}

/// Parses a text with references.
pub(super) fn parse_text(source: &str) -> Result<machinery::ast::Stmt<'_>, Error> {
    machinery::parse(source, NAME, Default::default())
}

/// The names that an expression refers to.
pub(super) fn names(source: &str) -> Result<impl Iterator<Item = String>, Error> {
    Ok(FOR_PROGRAMS.compile_expression(source)?.undeclared_variables(true).into_iter())
}

/// The names that a text refers to.
pub(super) fn names_in_text(source: &str) -> Result<impl Iterator<Item = String>, Error> {
    Ok(FOR_PROGRAMS.template_from_str(source)?.undeclared_variables(true).into_iter())
}

/// Evaluates an expression.
pub(super) fn evaluate(source: &str, scope: Value) -> Result<Value, Error> {
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_expr(&parse(source)?);
    let instructions = with_checks(&generator.finish().0);
    let (mut nothing, blocks) = (String::new(), BTreeMap::new());
    let mut output = machinery::make_string_output(&mut nothing);
    let environment = Reader::Program.environment();
    let value = machinery::eval(environment, &instructions, scope, &blocks, &mut output, AutoEscape::None)?.0;
    value.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "it gives no value"))
}

/// Renders a text.
pub(super) fn render(source: &str, scope: Value, reader: Reader) -> Result<String, Error> {
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_stmt(&parse_text(source)?);
    let instructions = with_checks(&generator.finish().0);
    let (mut text, blocks) = (String::new(), BTreeMap::new());
    let mut output = machinery::make_string_output(&mut text);
    machinery::eval(reader.environment(), &instructions, scope, &blocks, &mut output, AutoEscape::None)?;
    drop(output);
    Ok(text)
}

/// The same instructions, with the check of its operands before each operator.
fn with_checks<'source>(compiled: &Instructions<'source>) -> Instructions<'source> {
    let mut checked = Instructions::new(compiled.name(), compiled.source());
    // Where each instruction has come to stand, for the jumps.
    let (mut places, mut end) = (Vec::new(), 0);
    for index in 0.. {
        places.push(end);
        let Some(instruction) = compiled.get(index) else { break };
        for each in with_check(instruction) {
            let at = match (compiled.get_span(index), compiled.get_line(index)) {
                (Some(span), _) => checked.add_with_span(each, span),
                (None, Some(line)) => checked.add_with_line(each, u16::try_from(line).unwrap_or(u16::MAX)),
                (None, None) => checked.add(each),
            };
            end = at + 1;
        }
    }
    for index in 0..end {
        if let Some(
            Instruction::Jump(target)
            | Instruction::JumpIfFalse(target)
            | Instruction::JumpIfFalseOrPop(target)
            | Instruction::JumpIfTrueOrPop(target)
            | Instruction::Iterate(target),
        ) = checked.get_mut(index)
        {
            *target = places.get(*target as usize).copied().unwrap_or(end);
        }
    }
    checked
}

/// An instruction after its check, which leaves the operands as they are.
fn with_check<'source>(instruction: &Instruction<'source>) -> Vec<Instruction<'source>> {
    if let Instruction::EmitRaw(text) = instruction {
        // As bytes, which no value is, so that the formatter counts it and changes nothing.
        return vec![Instruction::LoadConst(Value::from_bytes(text.as_bytes().to_vec())), Instruction::Emit];
    }
    if let Instruction::Neg = instruction {
        return vec![Instruction::CallFunction(NEGATE, Some(1)), instruction.clone()];
    }
    match operator(instruction) {
        Some(operator) => vec![
            Instruction::CallFunction(operator.check_name(), Some(2)),
            Instruction::UnpackList(2),
            instruction.clone(),
        ],
        None => vec![instruction.clone()],
    }
}

fn operator(instruction: &Instruction<'_>) -> Option<Operator> {
    Some(match instruction {
        Instruction::Eq => Operator::Equal,
        Instruction::Ne => Operator::NotEqual,
        Instruction::Lt => Operator::Less,
        Instruction::Lte => Operator::LessOrEqual,
        Instruction::Gt => Operator::Greater,
        Instruction::Gte => Operator::GreaterOrEqual,
        Instruction::In => Operator::In,
        Instruction::Add => Operator::Add,
        Instruction::Sub => Operator::Subtract,
        Instruction::Mul => Operator::Multiply,
        Instruction::Div => Operator::Divide,
        Instruction::IntDiv => Operator::FloorDivide,
        Instruction::Rem => Operator::Remainder,
        Instruction::Pow => Operator::Power,
        Instruction::StringConcat => Operator::Concatenate,
        // Of a chain such as 1 < a < 5; the type of what it holds has no public name.
        Instruction::CompareAndPreserve(comparison) => match format!("{comparison:?}").as_str() {
            "Eq" => Operator::Equal,
            "Ne" => Operator::NotEqual,
            "Lt" => Operator::Less,
            "Lte" => Operator::LessOrEqual,
            "Gt" => Operator::Greater,
            "Gte" => Operator::GreaterOrEqual,
            _ => Operator::In,
        },
        _ => return None,
    })
}
