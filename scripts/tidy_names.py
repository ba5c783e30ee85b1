"""Private names of C++ sources: what stands in an unnamed namespace, or is static at namespace scope.

Sources of a folder are compiled in bundles, where two private things of one name are one too many. The compiler says
so only when both happen to land in one bundle; scripts/tidy says so at once.
"""

import re

TYPE = re.compile(r"(?:struct|class|union|enum(?: class| struct)?) (\w+)(?: final)?(?: ?:.*)?$")
ALIAS = re.compile(r"using (\w+) ?= ?(.*)$")
VARIABLE = re.compile(r"(\w+) ?(?:\[[^\]]*\] ?)*(?:=.*)?$")


def balanced(text, open_at, pair):
    """The place behind the bracket that closes the one at `open_at`."""
    depth = 0
    for i in range(open_at, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i + 1
    return len(text)


def types_of(parameters):
    """Parameters without names and defaults, so that overloads can be told from one another."""
    types, depth, start = [], 0, 0
    for i, c in enumerate(parameters + ","):
        depth += (c in "<([{") - (c in ">)]}")
        if c == "," and depth == 0:
            one = parameters[start:i].split("=")[0].strip()
            named = re.match(r"(.*[\w>&*\]) ](?<!const) ?[ &*>])(\w+)$", one)
            types.append(re.sub(r"\s+", "", named.group(1) if named and named.group(2) not in ("int", "char", "long")
                                else one))
            start = i + 1
    return ",".join(t for t in types if t)


def declared(text, has_body):
    """(name, what) of a declaration: what is the types of a function's parameters, an alias' text, or None."""
    text = re.sub(r"\[\[.*?\]\]", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    template = ""
    while text.startswith("template"):
        end = balanced(text, text.index("<"), "<>")
        template, text = template + text[:end], re.sub(r"^ ?requires .*?(?=\b(?:void|auto|bool|static|std)\b)", "",
                                                       text[end:]).strip()
    text = re.sub(r"^(?:(?:static|inline|constexpr|constinit|thread_local|extern) )+", "", text)
    no_name = ("using namespace", "friend", "static_assert", "namespace")
    if not re.match(r"[A-Za-z_:]", text) or text.startswith(no_name):
        return None
    if m := ALIAS.match(text):
        return m.group(1), "using " + m.group(2)
    if m := TYPE.match(text):
        return (m.group(1), None) if has_body and "<" not in text.split(":")[0] else None
    head = text.split("=")[0]
    depth = 0
    for i, c in enumerate(head):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth <= 0:
            m = re.search(r"(?<![\w:~])(\w+) ?$", head[:i])
            if not m or "operator" in head[:i] or not head[:m.start()].strip():
                return None
            return m.group(1), template + "(" + types_of(text[i + 1:balanced(text, i, "()") - 1])
    m = VARIABLE.search(head.strip())
    return (m.group(1), None) if m and head[:m.start()].strip() and not head[:m.start()].endswith("::") else None


def private_names(lines):
    """(line, namespace, name, what) of every private declaration in the code (without comments) of a source."""
    code = "\n".join("" if re.match(r"\s*#", line) else line for line in lines)
    found, scopes, start, depth = [], [], 0, 0  # a scope is the name of a namespace; depth: in braces that are none
    parentheses = 0
    for i, c in enumerate(code):
        parentheses += (c == "(") - (c == ")") if depth == 0 else 0
        if c == "{":
            head = code[start:i]
            space = re.search(r"(?:^|\s)namespace(?:\s+([\w:]+))?\s*$", head)
            if space and depth == 0 and not parentheses:
                scopes.append(space.group(1) or "")
                start = i + 1
                continue
            if depth == 0:
                record(found, code, start, i, scopes, True)
            depth += 1
        elif c == "}":
            if depth == 0 and scopes:
                scopes.pop()
            depth = max(0, depth - 1)
            if depth == 0 and not parentheses:
                start = i + 1
        elif c == ";" and depth == 0 and not parentheses:
            record(found, code, start, i, scopes, False)
            start = i + 1
    return found


def record(found, code, start, end, scopes, has_body):
    text = code[start:end]
    private = "" in scopes or re.match(r"\s*static\s", text)
    what = declared(text, has_body) if private else None
    if what:
        line = code.count("\n", 0, start + len(text) - len(text.lstrip())) + 1
        found.append((line, "::".join(s for s in scopes if s), *what))


def clashes(sources):
    """(path, line, name, path and line of the other) for sources {path: lines} that may be compiled as one."""
    seen = {}
    for path, lines in sorted(sources.items()):
        for line, space, name, what in private_names(lines):
            for other, where, theirs in seen.setdefault((space, name), []):
                overloads = what is not None and theirs is not None and what[:5] != "using" and what != theirs
                same_alias = what is not None and what == theirs and what.startswith("using")
                if other != path and not overloads and not same_alias:
                    yield path, line, name, f"{other}:{where}"
                    break
            seen[space, name].append((path, line, what))
