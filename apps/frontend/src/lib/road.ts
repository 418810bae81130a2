/** The stations between a push and all of production's traffic, for the strip and for the page. */

export interface Station {
  id: string;
  name: string;
  where: "source" | "ci" | "dev" | "gate" | "prod";
  line: string;
  detail: string;
  steps: string[];
}

/** What stops the journey, and what happens then. */
export const STOPS = [
  { when: "A test fails", then: "CI ends there. Nothing is scanned, nothing is published." },
  {
    when: "A scanner finds something High",
    then: "The finding is listed with its place; no image is pushed.",
  },
  {
    when: "New tasks stay unhealthy in dev",
    then: "The old tasks keep serving, and the stage rolls back.",
  },
  {
    when: "Somebody rejects",
    then: "The execution ends with the name and the comment. Production is untouched.",
  },
  {
    when: "The gate is closed at 10\u00a0%",
    then: "Nine of ten requests never met the release. The balancer sends back the tenth, and the execution fails with the check's own words.",
  },
];

export const CANARY = [10, 25, 50, 100] as const;

export const STATIONS: Station[] = [
  {
    id: "push",
    name: "Push",
    where: "source",
    line: "A commit reaches the repository.",
    detail:
      "The Git server signs a webhook and sends it. A trigger checks the signature and the branch, and starts the pipeline with the commit it was told.",
    steps: ["git push", "signed webhook", "trigger"],
  },
  {
    id: "build",
    name: "Build and test",
    where: "ci",
    line: "Two applications, tested side by side.",
    detail:
      "pytest and Jest run in parallel. Their JUnit reports and coverage belong to the execution: a red test is a red step with a name.",
    steps: ["clone", "pytest", "Jest", "coverage above 80\u00a0%"],
  },
  {
    id: "scan",
    name: "Scan",
    where: "ci",
    line: "Security findings of grade High stop the road.",
    detail:
      "The code is read for dangerous calls, the history for secrets, the infrastructure for open doors. What is found is listed with file and line.",
    steps: ["bandit", "detect-secrets", "checkov"],
  },
  {
    id: "publish",
    name: "Publish",
    where: "ci",
    line: "Images in the registry, tagged by commit.",
    detail:
      "Both images are built once and pushed to ECR. From here on every environment runs the same bytes; only their settings differ.",
    steps: ["backend image", "front-end image", "Amazon ECR"],
  },
  {
    id: "dev",
    name: "Dev",
    where: "dev",
    line: "A rolling deployment, then smoke tests.",
    detail:
      "ECS starts new tasks, waits until the load balancer finds them healthy, and drains the old ones. Then requests through the balancer ask for the new version by name.",
    steps: ["rolling update", "target health", "smoke tests"],
  },
  {
    id: "approval",
    name: "Approval",
    where: "gate",
    line: "A person says yes.",
    detail:
      "The pipeline waits. Whoever approves is written down with the time and a comment; nothing reaches production before.",
    steps: ["review", "approve or reject"],
  },
  {
    id: "canary",
    name: "Production",
    where: "prod",
    line: "Traffic moves in steps: 10, 25, 50, 100\u00a0%.",
    detail:
      "The new version stands beside the old one. The balancer sends it a tenth of the requests, the release gate is asked, and only then comes the next step. A closed gate sends everything back to the old version.",
    steps: ["blue and green", "release gate", "shift or roll back"],
  },
];
