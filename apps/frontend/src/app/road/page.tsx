import type { Metadata } from "next";
import { Road } from "@/components/Road";

export const metadata: Metadata = { title: "The road" };

export default function RoadPage() {
  return <Road />;
}
