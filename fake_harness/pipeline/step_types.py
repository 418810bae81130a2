"""What the sandbox runs: each step type's fields, places and runner; data only.

Source: Harness v0 pipeline schema (fields and allowed stages), 2026-08. A field that the
schema leaves optional but no run can do without is required by `semantic`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fake_harness.pipeline.fields import (
    ANY,
    DURATION,
    FLAG,
    TEXT,
    WHOLE,
    Field,
    choice,
    list_of,
    map_of,
    object_of,
    required,
    table,
    variant_of,
)
from fake_harness.pipeline.step_type import APPROVAL, CI, CUSTOM, DEPLOYMENT, StepType

_IN_CI = frozenset({CI})
_IN_DEPLOYMENT = frozenset({DEPLOYMENT})
_BUILD_AND_DEPLOY = frozenset({CI, DEPLOYMENT, CUSTOM})
_OUTSIDE_CI = frozenset({DEPLOYMENT, APPROVAL, CUSTOM})
_EVERYWHERE = _OUTSIDE_CI | _IN_CI

_RESOURCES = object_of(limits=object_of(memory=TEXT, cpu=TEXT))
_PULL = choice("Always", "Never", "IfNotPresent")
_SHELL = choice("Sh", "Bash", "Powershell", "Pwsh", "Python")
_SELECTORS = list_of(TEXT)
_REPORTS = variant_of(JUnit=table(paths=required(list_of(TEXT))))
_ALIAS = object_of(key=required(TEXT), scope=required(choice("Pipeline", "Stage", "StepGroup")))
_OUTPUTS = list_of(
    object_of(name=required(TEXT), type=choice("String", "Secret", "Number"), value=TEXT)
)
_VARIABLES = list_of(
    object_of(
        name=required(TEXT),
        type=choice("String", "Secret", "Number"),
        value=TEXT,
        default=TEXT,
        required=FLAG,
    )
)
_CONTAINER = table(
    image=TEXT,
    connectorRef=TEXT,
    registryRef=TEXT,
    imagePullPolicy=_PULL,
    privileged=FLAG,
    runAsUser=WHOLE,
    resources=_RESOURCES,
    baseImageConnectorRefs=list_of(TEXT),
)
_CACHE = table(
    connectorRef=required(TEXT),
    bucket=required(TEXT),
    key=required(TEXT),
    region=TEXT,
    endpoint=TEXT,
    archiveFormat=choice("Tar", "Gzip", "Zstd"),
    pathStyle=FLAG,
    resources=_RESOURCES,
    runAsUser=WHOLE,
    baseImageConnectorRefs=list_of(TEXT),
)
GIT_BUILD = variant_of(
    branch=table(branch=required(TEXT)),
    tag=table(tag=required(TEXT)),
    PR=table(number=required(TEXT)),
    commitSha=table(commitSha=required(TEXT)),
)
_APPROVER_INPUT = object_of(
    name=required(TEXT),
    defaultValue=TEXT,
    required=FLAG,
    allowedValues=list_of(TEXT),
    selectOneFrom=list_of(TEXT),
    selectManyFrom=list_of(TEXT),
    regex=TEXT,
)
_WEIGHT = object_of(targetGroupArn=required(TEXT), weight=required(WHOLE))

_GENERAL = (
    StepType(
        type="Run",
        summary="Runs a script in the stage's workspace; reads JUnit reports and outputs.",
        stages=_BUILD_AND_DEPLOY,
        runs_on="delegate",
        fields={
            **_CONTAINER,
            **table(
                command=required(TEXT, by="semantic"),
                shell=_SHELL,
                envVariables=map_of(TEXT),
                outputVariables=_OUTPUTS,
                outputAlias=_ALIAS,
                reports=_REPORTS,
            ),
        },
    ),
    StepType(
        type="Background",
        summary="Starts a process that lives until the stage ends.",
        stages=_BUILD_AND_DEPLOY,
        runs_on="delegate",
        fields={
            **_CONTAINER,
            **table(
                command=TEXT,
                shell=_SHELL,
                entrypoint=list_of(TEXT),
                envVariables=map_of(TEXT),
                portBindings=map_of(TEXT),
                reports=_REPORTS,
            ),
        },
    ),
    StepType(
        type="ShellScript",
        summary="Runs a script on the delegate; outputs are shell variables.",
        stages=_OUTSIDE_CI,
        runs_on="delegate",
        fields=table(
            shell=required(choice("Bash", "PowerShell")),
            source=required(
                variant_of(Inline=table(script=required(TEXT)), Harness=table(file=required(TEXT)))
            ),
            executionTarget=object_of(host=TEXT, connectorRef=TEXT, workingDirectory=TEXT),
            onDelegate=FLAG,
            environmentVariables=_VARIABLES,
            outputVariables=_VARIABLES,
            outputAlias=_ALIAS,
            includeInfraSelectors=FLAG,
            delegateSelectors=_SELECTORS,
            metadata=TEXT,
        ),
    ),
    StepType(
        type="Http",
        summary="Calls a URL and checks the answer with an assertion.",
        stages=_OUTSIDE_CI,
        runs_on="delegate",
        fields=table(
            url=required(TEXT),
            method=required(TEXT),
            headers=list_of(object_of(key=required(TEXT), value=required(TEXT))),
            requestBody=TEXT,
            assertion=TEXT,
            inputVariables=_VARIABLES,
            outputVariables=_VARIABLES,
            delegateSelectors=_SELECTORS,
        ),
    ),
    StepType(
        type="Wait",
        summary="Waits; its duration divides by the time scale.",
        stages=_EVERYWHERE,
        runs_on="engine",
        fields=table(duration=required(DURATION), metadata=TEXT),
    ),
    StepType(
        type="HarnessApproval",
        summary="Waits until people of the named user groups approve or reject.",
        stages=_OUTSIDE_CI,
        runs_on="engine",
        fields=table(
            approvalMessage=TEXT,
            includePipelineExecutionHistory=required(FLAG),
            approvers=required(
                object_of(
                    userGroups=list_of(TEXT),
                    serviceAccounts=list_of(TEXT),
                    minimumCount=required(WHOLE),
                    disallowPipelineExecutor=required(FLAG),
                    disallowedUserEmails=list_of(TEXT),
                )
            ),
            approverInputs=list_of(_APPROVER_INPUT),
            isAutoRejectEnabled=FLAG,
            autoApproval=object_of(
                action=required(choice("APPROVE")),
                scheduledDeadline=required(object_of(time=required(TEXT), timeZone=required(TEXT))),
                comments=TEXT,
            ),
            callbackId=TEXT,
        ),
    ),
)

_BUILD = (
    StepType(
        type="GitClone",
        summary="Clones a repository into the workspace.",
        stages=_BUILD_AND_DEPLOY,
        runs_on="delegate",
        fields={
            **_CONTAINER,
            **table(
                repoName=TEXT,
                projectName=TEXT,
                build=required(GIT_BUILD),
                cloneDirectory=TEXT,
                depth=WHOLE,
                sslVerify=FLAG,
                lfs=FLAG,
                debug=FLAG,
                fetchTags=FLAG,
                sparseCheckout=list_of(TEXT),
                submoduleStrategy=choice("true", "false", "recursive"),
                preFetchCommand=TEXT,
                outputFilePathsContent=list_of(TEXT),
            ),
        },
    ),
    StepType(
        type="SaveCacheS3",
        summary="Packs paths of the workspace into an S3 bucket under a key.",
        stages=_IN_CI,
        runs_on="delegate",
        fields={**_CACHE, **table(sourcePaths=required(list_of(TEXT)), override=FLAG)},
    ),
    StepType(
        type="RestoreCacheS3",
        summary="Unpacks what SaveCacheS3 stored under the key.",
        stages=_IN_CI,
        runs_on="delegate",
        fields={**_CACHE, **table(failIfKeyNotFound=FLAG, preserveMetadata=FLAG)},
    ),
    StepType(
        type="BuildAndPushECR",
        summary="Builds an image from a Dockerfile and pushes it to ECR.",
        stages=_IN_CI,
        runs_on="delegate",
        fields=table(
            connectorRef=required(TEXT),
            account=required(TEXT),
            region=required(TEXT),
            imageName=required(TEXT),
            tags=required(list_of(TEXT)),
            baseImageConnectorRefs=list_of(TEXT),
            buildArgs=map_of(TEXT),
            cacheFrom=list_of(TEXT),
            cacheTo=TEXT,
            caching=FLAG,
            context=TEXT,
            dockerfile=TEXT,
            envVariables=map_of(TEXT),
            envDockerSecrets=map_of(TEXT),
            fileDockerSecrets=map_of(TEXT),
            labels=map_of(TEXT),
            optimize=FLAG,
            remoteCacheImage=TEXT,
            resources=_RESOURCES,
            runAsUser=WHOLE,
            target=TEXT,
        ),
    ),
    StepType(
        type="Bandit",
        summary="Scans Python sources; fails on the given severity.",
        stages=_IN_CI,
        runs_on="delegate",
        fields={
            **_CONTAINER,
            **table(
                mode=required(choice("orchestration", "ingestion", "extraction")),
                config=required(choice("default")),
                target=required(
                    object_of(
                        type=required(
                            choice("repository", "container", "instance", "configuration")
                        ),
                        name=TEXT,
                        variant=TEXT,
                        detection=choice("auto", "manual"),
                        workspace=TEXT,
                    )
                ),
                advanced=object_of(
                    log=object_of(level=TEXT, serializer=TEXT),
                    args=object_of(cli=TEXT, passthrough=TEXT),
                    fail_on_severity=choice("critical", "high", "medium", "low", "none"),
                    include_raw=FLAG,
                ),
                ingestion=object_of(file=TEXT),
                settings=map_of(ANY),
                imageTag=TEXT,
                outputVariables=_OUTPUTS,
            ),
        },
    ),
)


def _ecs(
    name: str,
    summary: str,
    fields: Mapping[str, Field] = MappingProxyType({}),
    *,
    needs_spec: bool = False,
) -> StepType:
    return StepType(
        type=name,
        summary=summary,
        stages=_IN_DEPLOYMENT,
        runs_on="delegate",
        fields={**fields, **table(delegateSelectors=_SELECTORS)},
        needs_spec=needs_spec,
    )


_ECS = (
    _ecs(
        "EcsRollingDeploy",
        "Registers the task definition and updates (or creates) the service.",
        table(
            sameAsAlreadyRunningInstances=FLAG,
            forceNewDeployment=FLAG,
            skipApplicationScaling=FLAG,
        ),
    ),
    _ecs("EcsRollingRollback", "Puts the service back to what EcsRollingDeploy found."),
    _ecs("EcsCanaryDeploy", "Creates `<service>Canary` with one task."),
    _ecs("EcsCanaryDelete", "Deletes `<service>Canary`."),
    _ecs(
        "EcsBlueGreenCreateService",
        "Creates the green service behind the stage target group.",
        needs_spec=True,
        fields=table(
            loadBalancer=required(TEXT),
            prodListener=required(TEXT),
            prodListenerRuleArn=required(TEXT),
            stageListener=TEXT,
            stageListenerRuleArn=TEXT,
            stageTargetGroupArn=TEXT,
            isTrafficShift=FLAG,
            sameAsAlreadyRunningInstances=FLAG,
            enableAutoScalingInSwapStep=FLAG,
            updateGreenService=FLAG,
        ),
    ),
    _ecs(
        "EcsBlueGreenSwapTargetGroups",
        "Swaps the target groups of the two rules and scales the old service down.",
        table(doNotDownsizeOldService=FLAG, downsizeOldServiceDelayInSecs=WHOLE),
    ),
    _ecs(
        "EcsBlueGreenTrafficShift",
        "Sets the weights of the two target groups of one rule.",
        needs_spec=True,
        fields=table(
            ecsTrafficShiftWrapper=required(
                variant_of(
                    Inherit=table(weightPercentage=required(WHOLE)),
                    Standalone=table(
                        loadBalancer=required(TEXT),
                        listener=required(TEXT),
                        listenerRuleArn=required(TEXT),
                        forwardConfig=required(list_of(_WEIGHT)),
                    ),
                )
            )
        ),
    ),
    _ecs("EcsBlueGreenRollback", "Shifts back to blue and scales green down."),
    _ecs(
        "StandAloneTrafficShiftRollback",
        "Restores every rule that a Standalone traffic shift changed.",
        needs_spec=True,
    ),
)

STEP_TYPES: Mapping[str, StepType] = {step.type: step for step in (*_GENERAL, *_BUILD, *_ECS)}
