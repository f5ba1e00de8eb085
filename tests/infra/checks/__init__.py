"""What must hold of rendered objects. Each check is given all of them and yields a sentence for each fault."""

from . import configuration, pods, references, scaling, schemas, selection

ALL = (
    schemas.objects_are_valid,
    schemas.triggers_have_known_parameters,
    selection.selectors_find_their_pods,
    selection.each_pod_has_one_budget,
    references.ports_exist,
    references.routes_lead_to_a_service,
    references.volumes_are_there,
    references.accounts_and_claims_exist,
    configuration.keys_of_config_and_secrets_exist,
    configuration.settings_are_known,
    configuration.paths_are_mounted,
    pods.profile_is_restricted,
    pods.probes_are_those_of_the_table,
    pods.the_end_has_time,
    pods.roll_outs_take_nothing_away,
    pods.resources_are_said,
    scaling.each_target_exists_and_is_left_alone,
    scaling.bounds_are_sensible,
    scaling.triggers_ask_for_something,
    scaling.queues_are_those_of_the_broker,
    scaling.drains_end_before_the_next,
)


def faults(objects):
    """All faults of some objects, those of a check that cannot even look among them."""
    found = []
    for check in ALL:
        try:
            found.extend(check(objects))
        except Exception as error:  # noqa: BLE001: whatever it is, it is a fault of these objects
            found.append(f"{check.__name__} could not look: {type(error).__name__}: {error}")
    return found
