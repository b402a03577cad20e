//! The mutants themselves: what is changed in a place, and how the place asks whether it is on.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprLet, ImplItemFn, Item, ItemFn, LitInt, Pat, ReturnType,
    Signature, Stmt, Type, UnOp, parse_quote,
};

pub struct Mutant {
    pub number: u32,
    pub file: String,
    place: String,
    what: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.number, self.place, self.what)
    }
}

/// Puts every mutant into the files of a tree but those that are left out, which keep their numbers.
pub fn rewrite(tree: &Path, files: &[String], left_out: &BTreeSet<u32>) -> Vec<Mutant> {
    let mut writer = Writer {
        left_out,
        next: 1,
        mutants: Vec::new(),
        file: String::new(),
        function: String::new(),
    };
    for file in files {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).expect(file);
        let mut syntax = syn::parse_file(&text).expect(file);
        writer.file = file.clone();
        writer.visit_file_mut(&mut syntax);
        syntax
            .attrs
            .retain(|attribute| !attribute.path().is_ident("doc"));
        fs::write(&path, prettyplease::unparse(&syntax)).expect(file);
    }
    writer.mutants
}

/// A piece of code as it stands in the file: to be taken before anything in it is changed.
struct Place {
    line: usize,
    code: String,
}

impl Place {
    fn of(code: &impl ToTokens) -> Place {
        let tokens = code.to_token_stream();
        let first = tokens.clone().into_iter().next();
        Place {
            line: first.map_or(0, |token| token.span().start().line),
            code: tokens.to_string().chars().take(80).collect(),
        }
    }
}

struct Writer<'a> {
    left_out: &'a BTreeSet<u32>,
    next: u32,
    mutants: Vec<Mutant>,
    file: String,
    function: String,
}

/// Operators and what takes their place.
const OPERATORS: [(&str, &[&str]); 15] = [
    ("==", &["!="]),
    ("!=", &["=="]),
    ("<", &["<=", ">"]),
    ("<=", &["<", ">"]),
    (">", &[">=", "<"]),
    (">=", &[">", "<"]),
    ("&&", &["||"]),
    ("||", &["&&"]),
    ("+", &["-"]),
    ("-", &["+"]),
    ("*", &["+"]),
    ("/", &["*"]),
    ("%", &["/"]),
    ("|", &["&"]),
    ("&", &["|"]),
];

/// What a function gives back at once, by the beginning of its type.
const VALUES: [(&str, &[&str]); 14] = [
    ("bool", &["true", "false"]),
    ("Option <", &["None"]),
    ("usize", &["0", "1"]),
    ("u64", &["0", "1"]),
    ("u32", &["0", "1"]),
    ("u16", &["0", "1"]),
    ("u8", &["0", "1"]),
    ("i64", &["0", "1"]),
    ("i32", &["0", "1"]),
    ("Duration", &["Duration::ZERO"]),
    ("Vec <", &["Vec::new()"]),
    ("String", &["String::new()"]),
    ("io :: Result < () >", &["Ok(())"]),
    ("Result < () ,", &["Ok(())"]),
];

impl Writer<'_> {
    /// A number for a mutant, unless it is one that does not compile.
    fn number(&mut self, at: &Place, what: &str) -> Option<LitInt> {
        let number = self.next;
        self.next += 1;
        if self.left_out.contains(&number) {
            return None;
        }
        self.mutants.push(Mutant {
            number,
            file: self.file.clone(),
            place: format!("{}:{} {}", self.file, at.line, self.function),
            what: format!("{what}: {}", at.code),
        });
        Some(LitInt::new(
            &number.to_string(),
            proc_macro2::Span::call_site(),
        ))
    }

    fn function(&mut self, signature: &Signature, block: &mut Block) {
        let outer = std::mem::replace(&mut self.function, signature.ident.to_string());
        visit_mut::visit_block_mut(self, block);
        let values: &[&str] = match &signature.output {
            ReturnType::Default => &["()"],
            ReturnType::Type(_, given) => {
                let given = given.to_token_stream().to_string();
                let found = VALUES.iter().find(|(begin, _)| given.starts_with(begin));
                found.map_or(&[], |(_, values)| values)
            }
        };
        for value in values {
            if let Some(number) =
                self.number(&Place::of(&signature.ident), &format!("gives {value}"))
            {
                let value: Expr = syn::parse_str(value).expect("a value of the table");
                block.stmts.insert(
                    0,
                    parse_quote! { if crate::mutant::on(#number) { return #value; } },
                );
            }
        }
        self.function = outer;
    }

    /// A condition that is always true, and one that never is.
    fn condition(&mut self, at: &Place, condition: &mut Expr) {
        if binds(condition) {
            return;
        }
        if let Some(number) = self.number(at, "always") {
            *condition = parse_quote! { (crate::mutant::on(#number) || (#condition)) };
        }
        if let Some(number) = self.number(at, "never") {
            *condition = parse_quote! { (!crate::mutant::on(#number) && (#condition)) };
        }
    }

    fn operator(&mut self, at: &Place, expression: &mut Expr) {
        let Expr::Binary(binary) = &*expression else {
            return;
        };
        let sign = binary.op.to_token_stream().to_string();
        let Some((_, others)) = OPERATORS.iter().find(|(operator, _)| *operator == sign) else {
            return;
        };
        if binds(&binary.left) || binds(&binary.right) {
            return;
        }
        let original = binary.clone();
        let (left, right) = (&original.left, &original.right);
        let mut result: Expr = parse_quote! { (#original) };
        for other in *others {
            if let Some(number) = self.number(at, other) {
                let other: BinOp = syn::parse_str(other).expect("an operator of the table");
                result = parse_quote! { (if crate::mutant::on(#number) { (#left #other #right) } else { #result }) };
            }
        }
        *expression = result;
    }
}

impl VisitMut for Writer<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        let left_alone = match item {
            Item::Const(_) | Item::Static(_) | Item::Enum(_) | Item::Struct(_) | Item::Macro(_) => {
                true
            }
            Item::Mod(module) => for_tests(&module.attrs),
            Item::Impl(block) => {
                let name = block
                    .trait_
                    .as_ref()
                    .and_then(|(_, path, _)| path.segments.last());
                for_tests(&block.attrs)
                    || name.is_some_and(|name| name.ident == "Debug" || name.ident == "Display")
            }
            _ => false,
        };
        if !left_alone {
            visit_mut::visit_item_mut(self, item);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut ImplItemFn) {
        if !for_tests(&item.attrs) && item.sig.constness.is_none() {
            self.function(&item.sig, &mut item.block);
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut ItemFn) {
        if !for_tests(&item.attrs) && item.sig.constness.is_none() {
            self.function(&item.sig, &mut item.block);
        }
    }

    fn visit_pat_mut(&mut self, _: &mut Pat) {}

    fn visit_type_mut(&mut self, _: &mut Type) {}

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if matches!(statement, Stmt::Macro(_)) {
            return;
        }
        if let Stmt::Expr(expression, _) = &*statement {
            let block_for_tests = match expression {
                Expr::Block(block) => for_tests(&block.attrs),
                _ => false,
            };
            if block_for_tests || saves_only(expression) {
                return;
            }
        }
        let at = match &*statement {
            Stmt::Expr(expression, _) => Place::of(expression),
            other => Place::of(other),
        };
        visit_mut::visit_stmt_mut(self, statement);
        let Stmt::Expr(expression, Some(_)) = &*statement else {
            return;
        };
        let acts = match expression {
            Expr::MethodCall(_) | Expr::Call(_) | Expr::Assign(_) => true,
            Expr::Binary(binary) => binary.op.to_token_stream().to_string().len() == 2,
            _ => false,
        };
        if !acts {
            return;
        }
        let expression = expression.clone();
        if let Some(number) = self.number(&at, "without") {
            *statement = parse_quote! { if !crate::mutant::on(#number) { #expression; } };
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let at = arm.guard.as_ref().map(|(_, guard)| Place::of(guard));
        visit_mut::visit_arm_mut(self, arm);
        if let (Some(at), Some((_, guard))) = (at, &mut arm.guard) {
            self.condition(&at, guard);
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        if matches!(expression, Expr::Const(_) | Expr::Macro(_)) || saves_only(expression) {
            return;
        }
        if let Expr::Repeat(repeat) = expression {
            // Its length is a constant.
            return self.visit_expr_mut(&mut repeat.expr);
        }
        let at = match &*expression {
            Expr::If(branch) => Place::of(&branch.cond),
            other => Place::of(other),
        };
        visit_mut::visit_expr_mut(self, expression);
        match expression {
            Expr::If(branch) => self.condition(&at, &mut branch.cond),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                let (original, inner) = (unary.clone(), unary.expr.clone());
                if let Some(number) = self.number(&at, "not negated") {
                    *expression = parse_quote! { (if crate::mutant::on(#number) { #inner } else { #original }) };
                }
            }
            _ => self.operator(&at, expression),
        }
    }
}

/// Whether it is there for memory or time alone: nothing else tells whether it was done.
fn saves_only(expression: &Expr) -> bool {
    let name = match expression {
        Expr::MethodCall(call) => call.method.to_string(),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path
                .path
                .segments
                .last()
                .map_or(String::new(), |last| last.ident.to_string()),
            _ => return false,
        },
        _ => return false,
    };
    ["shrink_to_fit", "reserve", "reserve_exact", "with_capacity"].contains(&name.as_str())
}

fn for_tests(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.to_token_stream().to_string().contains("test"))
}

/// Whether a pattern in it binds names, so that it can't be wrapped.
fn binds(expression: &Expr) -> bool {
    struct Finds(bool);
    impl<'a> Visit<'a> for Finds {
        fn visit_expr_let(&mut self, _: &'a ExprLet) {
            self.0 = true;
        }
    }
    let mut finds = Finds(false);
    finds.visit_expr(expression);
    finds.0
}
