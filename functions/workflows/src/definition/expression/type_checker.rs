//! The types of expressions before there are values: what is declared, and what operators and filters make of it.

use minijinja::{
    Value,
    machinery::{
        Span,
        ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt, UnaryOpKind},
    },
    value::ValueKind,
};

use super::{
    operands::{Operator, Type},
    words::cut,
};

/// The type of what a path such as `input.rows` leads to, where it is known.
pub(crate) type Declared<'a> = dyn Fn(&[&str]) -> Option<Type> + 'a;

/// Filters whose values are always of one type.
const FILTERS: [(Type, &[&str]); 4] = [
    (Type::Number, &["abs", "count", "float", "int", "length", "round", "sum"]),
    (Type::Text, &["capitalize", "format", "join", "lower", "replace", "string", "title", "trim", "upper"]),
    (
        Type::List,
        &[
            "batch",
            "chain",
            "dictsort",
            "items",
            "lines",
            "list",
            "map",
            "reject",
            "rejectattr",
            "select",
            "selectattr",
            "slice",
            "sort",
            "split",
            "unique",
            "zip",
        ],
    ),
    (Type::Boolean, &["bool"]),
];

/// Finds the operators of one expression or text whose operands do not fit.
pub(super) struct Checker<'a> {
    pub(super) source: &'a str,
    pub(super) declared: &'a Declared<'a>,
    /// In words, each with the expression.
    pub(super) faults: Vec<String>,
}

impl Checker<'_> {
    /// The type of an expression, if it is known; what is wrong in it is noted.
    pub(super) fn type_of(&mut self, expression: &Expr<'_>) -> Option<Type> {
        match expression {
            Expr::Const(constant) => type_of_constant(&constant.value),
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
                if let Expr::GetItem(item) = expression {
                    self.type_of(&item.subscript_expr);
                }
                match path(expression) {
                    Some(path) => (self.declared)(&path),
                    None => {
                        self.parts_of(expression);
                        None
                    }
                }
            }
            Expr::BinOp(binary) => {
                let (left, right) = (self.type_of(&binary.left), self.type_of(&binary.right));
                match operator(binary.op) {
                    Some(operator) => {
                        self.constants(operator, &binary.left, &binary.right, binary.span());
                        self.operation(operator, left, right, binary.span())
                    }
                    // The value of `and` and `or` is that of one side.
                    None => left.filter(|_| left == right),
                }
            }
            Expr::Compare(chain) => {
                let mut left = self.type_of(&chain.expr);
                for step in &chain.ops {
                    let right = self.type_of(&step.expr);
                    self.operation(comparison(step.op), left, right, chain.span());
                    left = right;
                }
                Some(Type::Boolean)
            }
            Expr::UnaryOp(unary) => {
                let of = self.type_of(&unary.expr);
                match unary.op {
                    UnaryOpKind::Not => Some(Type::Boolean),
                    UnaryOpKind::Neg => {
                        if let Some(other) = of.filter(|of| *of != Type::Number) {
                            self.add(unary.span(), &format!("- stands before {}", other.name()));
                        }
                        Some(Type::Number)
                    }
                }
            }
            Expr::IfExpr(choice) => {
                self.type_of(&choice.test_expr);
                let first = self.type_of(&choice.true_expr);
                let second = choice.false_expr.as_ref().and_then(|other| self.type_of(other));
                first.filter(|_| first == second)
            }
            Expr::Filter(filter) => {
                let of = filter.expr.as_ref().and_then(|of| self.type_of(of));
                let arguments = self.arguments(&filter.args);
                match filter.name {
                    "default" | "d" => of.filter(|_| arguments.first().is_some_and(|other| *other == of)),
                    name => FILTERS.iter().find(|(_, names)| names.contains(&name)).map(|(made, _)| *made),
                }
            }
            Expr::Test(test) => {
                let (of, arguments) = (self.type_of(&test.expr), self.arguments(&test.args));
                if let (Some(operator), [argument]) = (test_operator(test.name), &arguments[..]) {
                    self.operation(operator, of, *argument, test.span());
                }
                Some(Type::Boolean)
            }
            Expr::Call(call) => {
                self.arguments(&call.args);
                matches!(&call.expr, Expr::Var(name) if name.id == "range").then_some(Type::List)
            }
            Expr::Slice(slice) => {
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| self.visit(part));
                self.type_of(&slice.expr)
            }
            Expr::List(list) => {
                list.items.iter().for_each(|item| self.visit(item));
                Some(Type::List)
            }
            Expr::Tuple(tuple) => {
                tuple.items.iter().for_each(|item| self.visit(item));
                Some(Type::List)
            }
            Expr::Map(map) => {
                map.keys.iter().chain(&map.values).for_each(|part| self.visit(part));
                Some(Type::Object)
            }
        }
    }

    fn visit(&mut self, expression: &Expr<'_>) {
        self.type_of(expression);
    }

    /// Checks the expressions of a text.
    pub(super) fn text(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.texts(&template.children),
            Stmt::EmitExpr(emit) => self.visit(&emit.expr),
            Stmt::ForLoop(each) => {
                self.type_of(&each.iter);
                each.filter_expr.iter().for_each(|filter| self.visit(filter));
                self.texts(&each.body);
                self.texts(&each.else_body);
            }
            Stmt::IfCond(choice) => {
                self.type_of(&choice.expr);
                self.texts(&choice.true_body);
                self.texts(&choice.false_body);
            }
            Stmt::WithBlock(block) => {
                block.assignments.iter().for_each(|(_, value)| self.visit(value));
                self.texts(&block.body);
            }
            Stmt::Set(set) => self.visit(&set.expr),
            Stmt::SetBlock(block) => self.texts(&block.body),
            Stmt::AutoEscape(block) => self.texts(&block.body),
            Stmt::FilterBlock(block) => self.texts(&block.body),
            _ => {}
        }
    }

    fn texts(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|statement| self.text(statement));
    }

    fn parts_of(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::GetAttr(part) => self.visit(&part.expr),
            Expr::GetItem(part) => self.visit(&part.expr),
            _ => {}
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Vec<Option<Type>> {
        let types = arguments.iter().map(|argument| match argument {
            CallArg::Pos(value) => self.type_of(value),
            CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                self.type_of(value);
                None
            }
        });
        types.collect()
    }

    /// Checks what is written out on both sides, which is never evaluated again.
    fn constants(&mut self, operator: Operator, left: &Expr<'_>, right: &Expr<'_>, span: Span) {
        let is_list = |value: &Value| type_of_constant(value).is_none();
        if let (Some(left), Some(right)) = (left.as_const(), right.as_const())
            && is_list(&right)
            && (is_list(&left) || operator == Operator::In)
            && let Err(reason) = operator.check_values(&left, &right)
        {
            self.add(span, &reason);
        }
    }

    /// Notes an operator whose operands do not fit; its type.
    fn operation(&mut self, operator: Operator, left: Option<Type>, right: Option<Type>, span: Span) -> Option<Type> {
        if let (Some(left), Some(right)) = (left, right)
            && let Err(reason) = operator.check(left, right)
        {
            self.add(span, &reason);
        }
        match operator {
            Operator::Add | Operator::Multiply => left.filter(|_| left == right),
            Operator::Subtract | Operator::Divide | Operator::FloorDivide | Operator::Remainder | Operator::Power => {
                Some(Type::Number)
            }
            Operator::Concatenate => Some(Type::Text),
            _ => Some(Type::Boolean),
        }
    }

    fn add(&mut self, span: Span, reason: &str) {
        let written = self.source.get(span.start_offset as usize..span.end_offset as usize).unwrap_or(self.source);
        self.faults.push(format!("{}: {reason}", cut(written)));
    }
}

/// The names of a path such as `steps.load.output`.
fn path<'a>(expression: &'a Expr<'a>) -> Option<Vec<&'a str>> {
    let (parent, name) = match expression {
        Expr::Var(name) => return Some(vec![name.id]),
        Expr::GetAttr(part) => (&part.expr, part.name),
        Expr::GetItem(part) => match &part.subscript_expr {
            Expr::Const(name) => (&part.expr, name.value.as_str()?),
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(parent)?;
    path.push(name);
    Some(path)
}

fn type_of_constant(value: &Value) -> Option<Type> {
    Some(match value.kind() {
        ValueKind::None => Type::Null,
        ValueKind::Bool => Type::Boolean,
        ValueKind::Number => Type::Number,
        ValueKind::String => Type::Text,
        _ => return None,
    })
}

fn operator(kind: BinOpKind) -> Option<Operator> {
    Some(match kind {
        BinOpKind::Eq => Operator::Equal,
        BinOpKind::Ne => Operator::NotEqual,
        BinOpKind::Lt => Operator::Less,
        BinOpKind::Lte => Operator::LessOrEqual,
        BinOpKind::Gt => Operator::Greater,
        BinOpKind::Gte => Operator::GreaterOrEqual,
        BinOpKind::In => Operator::In,
        BinOpKind::Add => Operator::Add,
        BinOpKind::Sub => Operator::Subtract,
        BinOpKind::Mul => Operator::Multiply,
        BinOpKind::Div => Operator::Divide,
        BinOpKind::FloorDiv => Operator::FloorDivide,
        BinOpKind::Rem => Operator::Remainder,
        BinOpKind::Pow => Operator::Power,
        BinOpKind::Concat => Operator::Concatenate,
        BinOpKind::ScAnd | BinOpKind::ScOr => return None,
    })
}

fn comparison(kind: CompareOpKind) -> Operator {
    match kind {
        CompareOpKind::Eq => Operator::Equal,
        CompareOpKind::Ne => Operator::NotEqual,
        CompareOpKind::Lt => Operator::Less,
        CompareOpKind::Lte => Operator::LessOrEqual,
        CompareOpKind::Gt => Operator::Greater,
        CompareOpKind::Gte => Operator::GreaterOrEqual,
        CompareOpKind::In | CompareOpKind::NotIn => Operator::In,
    }
}

fn test_operator(name: &str) -> Option<Operator> {
    Some(match name {
        "eq" | "equalto" | "==" => Operator::Equal,
        "ne" | "!=" => Operator::NotEqual,
        "lt" | "lessthan" | "<" => Operator::Less,
        "le" | "<=" => Operator::LessOrEqual,
        "gt" | "greaterthan" | ">" => Operator::Greater,
        "ge" | ">=" => Operator::GreaterOrEqual,
        "in" => Operator::In,
        _ => return None,
    })
}
