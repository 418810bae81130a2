import nextJest from "next/jest.js";

/** @type {import('jest').Config} */
const config = {
  testEnvironment: "jsdom",
  setupFilesAfterEnv: ["<rootDir>/jest.setup.ts"],
  // A busy build machine is no reason to fail.
  testTimeout: 60_000,
  testMatch: ["<rootDir>/tests/**/*.test.{ts,tsx}"],
  moduleNameMapper: { "^@/(.*)$": "<rootDir>/src/$1" },
  collectCoverageFrom: ["src/**/*.{ts,tsx}"],
  coverageReporters: ["text", "cobertura", "lcov"],
  coverageThreshold: { global: { statements: 80, branches: 80, functions: 80, lines: 80 } },
  reporters: [
    "default",
    [
      "jest-junit",
      {
        outputDirectory: "reports",
        outputName: "junit.xml",
        suiteName: "frontend",
        suiteNameTemplate: "{filename}",
        classNameTemplate: "{filename}",
        titleTemplate: "{title}",
      },
    ],
  ],
};

export default nextJest({ dir: "./" })(config);
