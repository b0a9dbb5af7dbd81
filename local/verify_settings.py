"""Whether the stack is set up as it should be: read-only checks."""

import health


def verify(stack, table):
    client, function = stack.aws("lambda"), {"FunctionName": stack.output["FunctionName"]}
    configuration = client.get_function_configuration(**function)
    table.row("architecture", stack.parameter["Architecture"], configuration["Architectures"][0])

    sources = client.list_event_source_mappings(**function)["EventSourceMappings"]
    for queue, what in (("waiting", "waiting queue"), ("retry.fifo", "retry queue")):
        (source,) = (each for each in sources if each["EventSourceArn"].endswith(f":{stack.name}-{queue}"))
        table.row(f"{what}'s event source", "Enabled", source["State"])
        answers = ", ".join(source.get("FunctionResponseTypes", []))
        table.row("its batches", "ReportBatchItemFailures", answers)

    retries = source.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
    table.row("retries at once", stack.parameter["RetryConcurrency"], str(retries))
    reserved = client.get_function_concurrency(**function).get("ReservedConcurrentExecutions")
    limit = client.get_account_settings()["AccountLimit"]
    instances = reserved or limit["UnreservedConcurrentExecutions"]
    whose = "reserved" if reserved else "the account's"
    table.row("concurrency", f"more than {retries}, or requests starve", f"{instances} ({whose})", instances > retries)

    # With Terminate, Lambda drops what comes back to a function some 16 times.
    if stack.is_emulated:
        table.leave_out("recursion", "the emulator ignores the template's RecursiveLoop")
    else:
        table.row("recursion", "Allow", client.get_function_recursion_config(**function)["RecursiveLoop"])

    if address := health.address_off(stack):
        version, seen = health.ask(address + "/health")
        table.row("AWS's own address of the API", "not the function", "the function" if version else seen, not version)

    logging = configuration.get("LoggingConfig", {})
    table.row("log's format, and Lambda's own filter", "JSON, TRACE",
              f"{logging.get('LogFormat')}, {logging.get('ApplicationLogLevel')}")
